package dockercli

// globalFlags are those of docker before its command. What is Noted says how an engine
// is reached.
var globalFlags = []Flag{
	{Name: "config", Value: "DIR", Says: "the directory of config.json, for credentials and builders, as DOCKER_CONFIG"},
	{Name: "context", Short: "c", Value: "NAME", Answer: Noted},
	{Name: "debug", Short: "D", Says: "has no effect"},
	{Name: "host", Short: "H", Value: "HOST", Answer: Noted},
	{Name: "log-level", Short: "l", Value: "LEVEL", Says: "has no effect"},
	{Name: "tls", Answer: Noted},
	{Name: "tlscacert", Value: "FILE", Answer: Noted},
	{Name: "tlscert", Value: "FILE", Answer: Noted},
	{Name: "tlskey", Value: "FILE", Answer: Noted},
	{Name: "tlsverify", Answer: Noted},
	{Name: "version", Short: "v", Says: "prints the version in a line"},
}

// versionFlag is docker --version.
var versionFlag = Command{Name: "--version"}

// ownCommands are those of docker that are neither of images nor of buildx.
var ownCommands = []Command{
	{Name: "build", Also: []string{"image build", "builder build"}, Args: "PATH|URL|-", Slipway: "build", Says: "builds, as `docker buildx build` does"},
	{Name: "login", Args: "[SERVER]", Slipway: "login", Says: "logs in, and stores the credential where docker does"},
	{Name: "logout", Args: "[SERVER]", Slipway: "logout", Says: "removes what login has stored"},
	{Name: "version", Max: 0, Says: "prints versions in docker's form", Flags: []Flag{{Name: "format", Short: "f", Value: "TEMPLATE"}}},
}

// engineCommands need an engine.
var engineCommands = []Command{
	{Name: "run", Also: []string{"container run"}, Args: "IMAGE [COMMAND]", Answer: NeedsEngine, Instead: "run it in a RUN of the Dockerfile, or as a container of the job's pod"},
	{Name: "exec", Also: []string{"container exec"}, Args: "CONTAINER COMMAND", Answer: NeedsEngine, Instead: "run it in a RUN of the Dockerfile, or as a container of the job's pod"},
}
