package dockercli

// withoutBuildKit is said of flags from before BuildKit.
const withoutBuildKit = "warns that it has no effect with BuildKit, as docker does"

// buildFlags are those of docker build and docker buildx build
// (https://github.com/docker/buildx/blob/v0.38.2/commands/build.go).
var buildFlags = []Flag{
	{Name: "add-host", Value: "HOST:IP"},
	{Name: "allow", Value: "ENTITLEMENT"},
	{Name: "annotation", Value: "KEY=VALUE"},
	{Name: "attest", Value: "ATTESTATION"},
	{Name: "build-arg", Value: "NAME=VALUE"},
	{Name: "build-context", Value: "NAME=SOURCE"},
	{Name: "builder", Value: "NAME"},
	{Name: "cache-from", Value: "IMAGE|CACHE", Says: "an image is a registry cache; if it is absent the log says so and the build goes on"},
	{Name: "cache-to", Value: "CACHE"},
	{Name: "call", Value: "METHOD"},
	{Name: "cgroup-parent", Value: "CGROUP"},
	{Name: "check"},
	{Name: "file", Short: "f", Value: "FILE"},
	{Name: "iidfile", Value: "FILE"},
	{Name: "label", Value: "NAME=VALUE"},
	{Name: "load", Says: "loads into the engine of `DOCKER_HOST`; without one the image is kept for `docker push` and `docker save`"},
	{Name: "metadata-file", Value: "FILE"},
	{Name: "network", Value: "MODE", Says: "`host` is the network of the builder's pod, and takes a builder that allows it: `--allow-insecure-entitlement network.host` in the flags of its buildkitd"},
	{Name: "no-cache"},
	{Name: "no-cache-filter", Value: "STAGE"},
	{Name: "output", Short: "o", Value: "OUTPUT"},
	{Name: "platform", Value: "PLATFORM"},
	{Name: "policy", Value: "POLICY", Answer: Refused, Says: "policies in Rego are not evaluated; `disabled=true` is taken"},
	{Name: "print", Value: "METHOD", Says: "old name of `--call`"},
	{Name: "progress", Value: "MODE"},
	{Name: "provenance", Value: "MODE"},
	{Name: "pull"},
	{Name: "push"},
	{Name: "quiet", Short: "q"},
	{Name: "resource", Value: "KEY=VALUE"},
	{Name: "sbom", Value: "BOOL"},
	{Name: "secret", Value: "SECRET"},
	{Name: "shm-size", Value: "BYTES"},
	{Name: "ssh", Value: "SSH"},
	{Name: "tag", Short: "t", Value: "NAME"},
	{Name: "target", Value: "STAGE"},
	{Name: "ulimit", Value: "LIMIT"},
	{Name: "memory", Short: "m", Value: "BYTES", Says: "limit of each container of RUN"},
	{Name: "memory-swap", Value: "BYTES", Says: "the same"},
	{Name: "cpu-shares", Short: "c", Value: "N", Says: "the same"},
	{Name: "cpu-period", Value: "N", Says: "the same"},
	{Name: "cpu-quota", Value: "N", Says: "the same"},
	{Name: "cpuset-cpus", Value: "CPUS", Says: "the same"},
	{Name: "cpuset-mems", Value: "NODES", Says: "the same"},
	{Name: "compress", Answer: Noted, Says: withoutBuildKit},
	{Name: "force-rm", Answer: Noted, Says: withoutBuildKit},
	{Name: "isolation", Value: "TECHNOLOGY", Answer: Noted, Says: withoutBuildKit},
	{Name: "rm", Answer: Noted, Says: withoutBuildKit},
	{Name: "security-opt", Value: "OPTION", Answer: Noted, Says: withoutBuildKit},
	{Name: "squash", Answer: Noted, Says: withoutBuildKit},
}

// ownBuilder is what is not changed or removed by a job.
const ownBuilder = "a builder that the job did not make itself is never changed"

// buildxCommands are those of docker buildx
// (https://github.com/docker/buildx/blob/v0.38.2/commands/root.go). Slipway has most of
// them under the same name, with the same flags.
var buildxCommands = []Command{
	{Name: "buildx build", Also: []string{"buildx b"}, Args: "PATH|URL|-", Slipway: "build", Flags: buildFlags, Says: "builds, with the flags of `docker build`"},
	{Name: "buildx create", Args: "[ENDPOINT]", Slipway: "create", Says: "makes a builder for this job; " + ownBuilder + ". [More](#builders-of-a-job)", Flags: []Flag{
		{Name: "append"}, {Name: "bootstrap"}, {Name: "buildkitd-config", Value: "FILE"}, {Name: "buildkitd-flags", Value: "FLAGS"},
		{Name: "config", Value: "FILE", Says: "old name of `--buildkitd-config`"},
		{Name: "driver", Value: "DRIVER", Says: "`kubernetes` or `remote`; for `docker-container` and `docker` the name becomes another one of the builder that is there"},
		{Name: "driver-opt", Value: "OPTIONS"}, {Name: "leave"}, {Name: "name", Value: "NAME"}, {Name: "node", Value: "NAME"},
		{Name: "platform", Value: "PLATFORM"}, {Name: "use"},
	}},
	{Name: "buildx use", Args: "NAME", Slipway: "use", Says: "selects the builder, also one of a mounted ConfigMap", Flags: []Flag{
		{Name: "default", Answer: Noted, Says: "a selection holds for all contexts"}, {Name: "global", Answer: Noted, Says: "the same"},
	}},
	{Name: "buildx ls", Slipway: "ls", Says: "lists the builders and their nodes", Flags: []Flag{formatFlag, {Name: "no-trunc"}, {Name: "timeout", Value: "DURATION"}}},
	{Name: "buildx inspect", Args: "[NAME]", Slipway: "inspect", Says: "shows a builder, with the lines of docker buildx and those of its pods", Flags: []Flag{
		{Name: "bootstrap"}, {Name: "timeout", Value: "DURATION"},
	}},
	{Name: "buildx rm", Args: "[NAME…]", Slipway: "rm", Says: "removes the builders that the job has made; others stay, and it says so", Flags: []Flag{
		{Name: "all-inactive"}, {Name: "force", Short: "f"}, {Name: "keep-daemon"}, {Name: "keep-state"}, {Name: "timeout", Value: "DURATION"},
	}},
	{Name: "buildx du", Slipway: "du", Says: "shows the cache, in every pod of every node", Flags: []Flag{
		filterFlag, formatFlag, {Name: "timeout", Value: "DURATION"}, {Name: "verbose"},
	}},
	{Name: "buildx prune", Slipway: "prune", Says: "removes cache, in every pod of every node", Flags: []Flag{
		{Name: "all", Short: "a"}, filterFlag, forceFlag, {Name: "keep-storage", Value: "BYTES", Says: "old name of `--reserved-space`"},
		{Name: "max-used-space", Value: "BYTES"}, {Name: "min-free-space", Value: "BYTES"}, {Name: "reserved-space", Value: "BYTES"},
		{Name: "timeout", Value: "DURATION"}, {Name: "verbose"},
	}},
	{Name: "buildx stop", Args: "[NAME]", Slipway: "stop", Answer: Noted, Says: "stops nothing, as buildx in Kubernetes"},
	{Name: "buildx version", Slipway: "version", Says: "prints the version of buildx whose commands are taken, and Slipway's"},
	{Name: "buildx dial-stdio", Slipway: "dial-stdio", Says: "connects standard input and output with a builder", Flags: []Flag{
		{Name: "platform", Value: "PLATFORM"}, {Name: "progress", Value: "MODE"},
	}},
	{Name: "buildx imagetools create", Args: "SOURCE…", Slipway: "imagetools create", Says: "makes an image of others, in the registry", Flags: []Flag{
		{Name: "annotation", Value: "KEY=VALUE"}, {Name: "append"}, {Name: "dry-run"}, {Name: "file", Short: "f", Value: "FILE"},
		{Name: "metadata-file", Value: "FILE"}, {Name: "platform", Short: "p", Value: "PLATFORM"}, {Name: "prefer-index"}, {Name: "progress", Value: "MODE"},
		{Name: "tag", Short: "t", Value: "NAME"},
	}},
	{Name: "buildx imagetools inspect", Args: "NAME", Slipway: "imagetools inspect", Says: "shows an image in a registry", Flags: []Flag{formatFlag, {Name: "raw"}}},
	{Name: "buildx install", Slipway: "install", Answer: Noted, Says: "succeeds: `docker build` comes here as it is"},
	{Name: "buildx uninstall", Slipway: "uninstall", Answer: Noted, Says: "the same"},
	{Name: "buildx bake", Also: []string{"buildx f"}, Args: "[TARGET…]", Slipway: "bake", Says: "builds the targets of a bake file. [More](bake.md)", Flags: []Flag{
		{Name: "allow", Value: "PRIVILEGE"}, {Name: "file", Short: "f", Value: "FILE"}, {Name: "jobs", Short: "j", Value: "N"},
		{Name: "list", Value: "WHAT"}, {Name: "load"}, {Name: "metadata-file", Value: "FILE"}, {Name: "no-cache"}, {Name: "print"},
		{Name: "progress", Value: "MODE"}, {Name: "provenance", Value: "MODE"}, {Name: "pull"}, {Name: "push"}, {Name: "sbom", Value: "BOOL"},
		{Name: "set", Value: "TARGET.KEY=VALUE"}, {Name: "var", Value: "NAME=VALUE"},
	}},
	{Name: "buildx history ls", Slipway: "history ls", Says: "lists builds, of every pod of every node. [More](history.md)", Flags: []Flag{
		filterFlag, formatFlag, {Name: "no-trunc"}, {Name: "timeout", Value: "DURATION"},
	}},
	{Name: "buildx history logs", Args: "[REF]", Slipway: "history logs", Says: "prints the log of a build", Flags: []Flag{
		{Name: "progress", Value: "MODE"}, {Name: "timeout", Value: "DURATION"},
	}},
	{Name: "buildx history inspect", Args: "[REF]", Slipway: "history inspect", Says: "shows a build, or with `attachment` what the builder keeps of its result", Flags: []Flag{
		formatFlag, {Name: "timeout", Value: "DURATION"},
	}},
	{Name: "buildx history rm", Args: "[REF…]", Slipway: "history rm", Says: "removes builds from the history", Flags: []Flag{
		{Name: "all"}, {Name: "timeout", Value: "DURATION"},
	}},
	{Name: "buildx history export", Args: "[REF…]", Slipway: "history export", Says: "writes builds into a .dockerbuild file", Flags: []Flag{
		{Name: "all"}, {Name: "finalize"}, {Name: "output", Short: "o", Value: "FILE"}, {Name: "timeout", Value: "DURATION"},
	}},
	{Name: "buildx history open", Answer: Refused, Says: "there is no Docker Desktop to open builds in", Instead: "docker buildx history inspect and logs show a build"},
	{Name: "buildx history import", Answer: Refused, Says: "there is no Docker Desktop to import builds into", Instead: "docker buildx history inspect and logs show a build"},
	{Name: "buildx history trace", Answer: Refused, Says: "traces are not shown", Instead: "docker buildx history export writes a build with its trace"},
	{Name: "buildx debug", Args: "COMMAND", Answer: Refused, Says: "builds are not debugged interactively", Instead: "slipway build --progress=plain has the whole log; --target builds up to a stage"},
	{Name: "buildx dap", Args: "COMMAND", Answer: Refused, Says: "builds are not debugged interactively", Instead: "slipway build --progress=plain has the whole log; --target builds up to a stage"},
	{Name: "buildx policy", Args: "COMMAND", Answer: Refused, Says: "policies in Rego are not evaluated", Instead: "a source policy of BuildKit itself, in JSON, works: EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=FILE"},
	{Name: "buildx replay", Args: "COMMAND", Answer: Refused, Says: "recorded builds are not repeated", Instead: "build again with the same arguments"},
}
