package dockercli

// buildxCommands are those of docker buildx. Slipway has most of them under the same
// name, with the same flags.
var buildxCommands = []Command{
	{Name: "buildx build", Also: []string{"buildx b"}, Args: "PATH|URL|-", Slipway: "build", Says: "builds"},
	{Name: "buildx bake", Also: []string{"buildx f"}, Args: "[TARGET…]", Answer: Refused, Says: "bake files are not read yet", Instead: "build each target: docker buildx build --target TARGET"},
}
