package dockercli

// globalFlags are those of docker before its command. What is Noted says how an engine
// is reached.
var globalFlags = []Flag{
	{Name: "config", Value: "DIR", Says: "the directory of config.json and of buildx's files, as `DOCKER_CONFIG`"},
	{Name: "context", Short: "c", Value: "NAME", Answer: Noted, Says: "says that it has no effect: there is no engine to reach"},
	{Name: "debug", Short: "D", Answer: Noted, Says: "the same; `docker buildx -D` prints Slipway's diagnostics"},
	{Name: "host", Short: "H", Value: "HOST", Answer: Noted, Says: "the same"},
	{Name: "log-level", Short: "l", Value: "LEVEL", Answer: Noted, Says: "the same; `SLIPWAY_LOG_LEVEL` is Slipway's"},
	{Name: "tls", Answer: Noted, Says: "the same"},
	{Name: "tlscacert", Value: "FILE", Answer: Noted, Says: "the same"},
	{Name: "tlscert", Value: "FILE", Answer: Noted, Says: "the same"},
	{Name: "tlskey", Value: "FILE", Answer: Noted, Says: "the same"},
	{Name: "tlsverify", Answer: Noted, Says: "the same"},
	{Name: "version", Short: "v", Says: "prints the version in a line"},
}

// versionFlag is docker --version.
var versionFlag = Command{Name: "--version"}

// Flags that several commands have.
var (
	formatFlag = Flag{Name: "format", Value: "TEMPLATE", Says: "`json`, or a Go template with docker's fields and functions"}
	filterFlag = Flag{Name: "filter", Value: "FILTER"}
	forceFlag  = Flag{Name: "force", Short: "f"}
)

// ownCommands are those of docker that are neither of images nor of buildx.
var ownCommands = []Command{
	{Name: "build", Also: []string{"image build", "builder build"}, Args: "PATH|URL|-", Slipway: "build", Flags: buildFlags,
		Says: "builds, with the flags of `docker buildx build`"},
	{Name: "login", Args: "[SERVER]", Slipway: "login", Says: "logs in, and stores the credential where docker does; without a server at Docker Hub",
		Flags: []Flag{
			{Name: "username", Short: "u", Value: "NAME"},
			{Name: "password", Short: "p", Value: "PASSWORD", Says: "with the warning that everybody on the machine can read it"},
			{Name: "password-stdin"},
		}},
	{Name: "logout", Args: "[SERVER]", Slipway: "logout", Says: "removes what login has stored"},
	{Name: "version", Max: 0, Says: "prints the versions of docker whose commands are taken, for client and server", Flags: []Flag{
		{Name: "format", Short: "f", Value: "TEMPLATE", Says: formatFlag.Says},
	}},
	{Name: "info", Also: []string{"system info"}, Max: 0, Says: "prints what is known without an engine, in docker's form: no containers, the system and architecture of the agent", Flags: []Flag{
		{Name: "format", Short: "f", Value: "TEMPLATE", Says: formatFlag.Says},
	}},
	{Name: "context ls", Also: []string{"context list"}, Max: 0, Says: "lists one context, `default`", Flags: []Flag{
		formatFlag, {Name: "quiet", Short: "q"},
	}},
	{Name: "context show", Max: 0, Says: "prints `default`"},
	{Name: "context inspect", Args: "[CONTEXT…]", Max: -1, Says: "shows the context `default`; another is an error", Flags: []Flag{
		{Name: "format", Short: "f", Value: "TEMPLATE", Says: formatFlag.Says},
	}},
	{Name: "context use", Args: "CONTEXT", Min: 1, Max: 1, Answer: Noted, Says: "succeeds and selects nothing: builds need no engine"},
	{Name: "context create", Args: "CONTEXT", Min: 1, Max: 1, Answer: Noted, Says: "succeeds and keeps nothing: builds need no engine", Flags: []Flag{
		{Name: "description", Value: "TEXT"}, {Name: "docker", Value: "KEY=VALUE"}, {Name: "from", Value: "CONTEXT"},
	}},
	{Name: "context rm", Also: []string{"context remove"}, Args: "CONTEXT…", Min: 1, Max: -1, Answer: Noted, Says: "succeeds: nothing was kept", Flags: []Flag{forceFlag}},
	{Name: "ps", Also: []string{"container ls", "container list", "container ps"}, Max: 0, Says: "lists no containers; with `-q` it prints nothing", Flags: []Flag{
		{Name: "all", Short: "a"}, {Name: "filter", Short: "f", Value: "FILTER"}, formatFlag, {Name: "last", Short: "n", Value: "N"},
		{Name: "latest", Short: "l"}, {Name: "no-trunc"}, {Name: "quiet", Short: "q"}, {Name: "size", Short: "s"},
	}},
	{Name: "volume ls", Also: []string{"volume list"}, Max: 0, Says: "lists no volumes", Flags: []Flag{
		{Name: "cluster"}, {Name: "filter", Short: "f", Value: "FILTER"}, formatFlag, {Name: "quiet", Short: "q"},
	}},
	{Name: "network ls", Also: []string{"network list"}, Max: 0, Says: "lists no networks", Flags: []Flag{
		{Name: "filter", Short: "f", Value: "FILTER"}, formatFlag, {Name: "no-trunc"}, {Name: "quiet", Short: "q"},
	}},
	{Name: "system df", Max: 0, Says: "lists nothing; `docker buildx du` shows the cache", Flags: []Flag{{Name: "verbose", Short: "v"}, formatFlag}},
	{Name: "system prune", Max: 0, Answer: Noted, Says: "removes nothing and says so", Flags: []Flag{
		{Name: "all", Short: "a"}, filterFlag, forceFlag, {Name: "volumes"},
	}},
	{Name: "container prune", Max: 0, Answer: Noted, Says: "removes nothing and says so", Flags: []Flag{filterFlag, forceFlag}},
	{Name: "volume prune", Max: 0, Answer: Noted, Says: "removes nothing and says so", Flags: []Flag{{Name: "all", Short: "a"}, filterFlag, forceFlag}},
	{Name: "network prune", Max: 0, Answer: Noted, Says: "removes nothing and says so", Flags: []Flag{filterFlag, forceFlag}},
	{Name: "builder prune", Max: 0, Answer: Noted, Says: "removes nothing and says so: the cache is everybody's who builds there, and BuildKit keeps it within its limits. `docker buildx prune` removes it", Flags: []Flag{
		{Name: "all", Short: "a"}, filterFlag, forceFlag,
		{Name: "keep-storage", Value: "BYTES"}, {Name: "max-used-space", Value: "BYTES"}, {Name: "min-free-space", Value: "BYTES"}, {Name: "reserved-space", Value: "BYTES"},
	}},
	{Name: "search", Args: "TERM", Answer: Refused, Says: "registries are not searched", Instead: "search at the registry's own site"},
	{Name: "trust", Args: "COMMAND", Answer: Refused, Says: "images are not signed with Notary", Instead: "sign what was pushed with cosign: the digest is in --metadata-file and --iidfile"},
}

// inRun is what to do in place of a container on the agent.
const inRun = "run it in a RUN of the Dockerfile, or as a container of the job's pod (Jenkins: a container of the pod template, GitLab: image and services of the job)"

// inCompose is what to do in place of compose.
const inCompose = "build each service by itself, docker build --file FILE --target TARGET CONTEXT, and start services as containers of the job's pod"

// engineCommands need an engine. Everything below their names does.
var engineCommands = []Command{
	{Name: "run", Also: []string{"container run"}, Args: "IMAGE [COMMAND]", Answer: NeedsEngine, Instead: inRun},
	{Name: "exec", Also: []string{"container exec"}, Args: "CONTAINER COMMAND", Answer: NeedsEngine, Instead: inRun},
	{Name: "compose", Args: "COMMAND", Answer: NeedsEngine, Instead: inCompose},
	{Name: "create", Also: []string{"container create"}, Args: "IMAGE", Answer: NeedsEngine, Instead: copyOut},
	{Name: "cp", Also: []string{"container cp"}, Args: "CONTAINER:SOURCE TARGET", Answer: NeedsEngine, Instead: copyOut},
	{Name: "export", Also: []string{"container export"}, Args: "CONTAINER", Answer: NeedsEngine, Instead: "docker build --output type=tar,dest=FILE writes the files of an image"},
	{Name: "import", Also: []string{"image import"}, Args: "FILE", Answer: NeedsEngine, Instead: "FROM scratch and ADD FILE / in a Dockerfile make an image of a tarball"},
	{Name: "commit", Also: []string{"container commit"}, Args: "CONTAINER", Answer: NeedsEngine, Instead: "write what was done in the container as RUN in a Dockerfile"},
	{Name: "start", Also: []string{"container start"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: inRun},
	{Name: "stop", Also: []string{"container stop"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "kill", Also: []string{"container kill"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "rm", Also: []string{"container rm", "container remove"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "logs", Also: []string{"container logs"}, Args: "CONTAINER", Answer: NeedsEngine, Instead: noContainers},
	{Name: "attach", Also: []string{"container attach"}, Args: "CONTAINER", Answer: NeedsEngine, Instead: noContainers},
	{Name: "container inspect", Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "diff", Also: []string{"container diff"}, Args: "CONTAINER", Answer: NeedsEngine, Instead: noContainers},
	{Name: "pause", Also: []string{"container pause"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "unpause", Also: []string{"container unpause"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "port", Also: []string{"container port"}, Args: "CONTAINER", Answer: NeedsEngine, Instead: noContainers},
	{Name: "rename", Also: []string{"container rename"}, Args: "CONTAINER NAME", Answer: NeedsEngine, Instead: noContainers},
	{Name: "restart", Also: []string{"container restart"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "stats", Also: []string{"container stats"}, Args: "[CONTAINER…]", Answer: NeedsEngine, Instead: noContainers},
	{Name: "top", Also: []string{"container top"}, Args: "CONTAINER", Answer: NeedsEngine, Instead: noContainers},
	{Name: "update", Also: []string{"container update"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "wait", Also: []string{"container wait"}, Args: "CONTAINER…", Answer: NeedsEngine, Instead: noContainers},
	{Name: "events", Also: []string{"system events"}, Answer: NeedsEngine, Instead: noContainers},
	{Name: "system dial-stdio", Answer: NeedsEngine, Instead: "docker buildx dial-stdio connects with a builder"},
	{Name: "volume create", Args: "[NAME]", Answer: NeedsEngine, Instead: noVolumes},
	{Name: "volume inspect", Args: "NAME…", Answer: NeedsEngine, Instead: noVolumes},
	{Name: "volume rm", Also: []string{"volume remove"}, Args: "NAME…", Answer: NeedsEngine, Instead: noVolumes},
	{Name: "volume update", Args: "NAME", Answer: NeedsEngine, Instead: noVolumes},
	{Name: "network create", Args: "NAME", Answer: NeedsEngine, Instead: noNetworks},
	{Name: "network connect", Args: "NETWORK CONTAINER", Answer: NeedsEngine, Instead: noNetworks},
	{Name: "network disconnect", Args: "NETWORK CONTAINER", Answer: NeedsEngine, Instead: noNetworks},
	{Name: "network inspect", Args: "NETWORK…", Answer: NeedsEngine, Instead: noNetworks},
	{Name: "network rm", Also: []string{"network remove"}, Args: "NETWORK…", Answer: NeedsEngine, Instead: noNetworks},
	{Name: "context export", Args: "CONTEXT", Answer: NeedsEngine, Instead: noContexts},
	{Name: "context import", Args: "CONTEXT FILE", Answer: NeedsEngine, Instead: noContexts},
	{Name: "context update", Args: "CONTEXT", Answer: NeedsEngine, Instead: noContexts},
	{Name: "plugin", Args: "COMMAND", Answer: NeedsEngine, Instead: noSwarm},
	{Name: "swarm", Args: "COMMAND", Answer: NeedsEngine, Instead: noSwarm},
	{Name: "node", Args: "COMMAND", Answer: NeedsEngine, Instead: noSwarm},
	{Name: "service", Args: "COMMAND", Answer: NeedsEngine, Instead: noSwarm},
	{Name: "stack", Args: "COMMAND", Answer: NeedsEngine, Instead: noSwarm},
	{Name: "config", Args: "COMMAND", Answer: NeedsEngine, Instead: noSwarm},
	{Name: "secret", Args: "COMMAND", Answer: NeedsEngine, Instead: "docker build --secret hands a secret to RUN"},
	{Name: "checkpoint", Args: "COMMAND", Answer: NeedsEngine, Instead: noContainers},
}

// What to do instead of what needs an engine.
const (
	copyOut      = "docker build --output type=local,dest=DIR writes the files of an image, or of a stage with --target, into a directory"
	noContainers = "there are no containers here that a docker run has started; what a cleanup would remove is not there"
	noVolumes    = "files go through the build context and --output; a RUN --mount=type=cache keeps files between builds"
	noNetworks   = "--network of docker build is the network of RUN; services of a job are containers of its pod"
	noContexts   = "builders are selected by docker buildx use and --builder"
	noSwarm      = "it runs workloads on engines; the cluster's own tools run them in Kubernetes"
)
