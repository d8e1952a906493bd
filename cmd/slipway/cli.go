package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/cmd/slipway/dockercli"
	"github.com/slipway-build/slipway/cmd/slipway/model"
	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry/remote"
)

// streams are the process's standard streams.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// cli is the command line. Flags of a command are those of docker buildx where
// it has them, name for name.
type cli struct {
	global

	Build      buildCmd      `cmd:"" aliases:"b" help:"Build from a Dockerfile."`
	Bake       bakeCmd       `cmd:"" help:"Build the targets of a bake file."`
	Up         upCmd         `cmd:"" help:"Make sure that a builder runs, and wait until it answers."`
	Ls         lsCmd         `cmd:"" help:"List builders and their nodes."`
	Inspect    inspectCmd    `cmd:"" help:"Show a builder: its nodes, their pods and what these hold and do."`
	Du         duCmd         `cmd:"" help:"Show what the caches of a builder hold."`
	Prune      pruneCmd      `cmd:"" help:"Remove cache of a builder."`
	Rm         rmCmd         `cmd:"" help:"Remove builders: what Slipway made of them, and their definitions."`
	Gc         gcCmd         `cmd:"" help:"Put idle builders to sleep, and remove what is left over of definitions."`
	Logs       logsCmd       `cmd:"" help:"Print what buildkitd says in the pods of a builder."`
	History    historyCmd    `cmd:"" help:"Show what a builder has built."`
	Doctor     doctorCmd     `cmd:"" help:"Find what would keep a build from succeeding, and say what to do."`
	Create     createCmd     `cmd:"" help:"Define a builder, or change one: write its definition."`
	Stop       stopCmd       `cmd:"" help:"Do nothing, as docker buildx stop does in Kubernetes."`
	DialStdio  dialStdioCmd  `cmd:"" help:"Connect standard input and output with a builder."`
	Use        useCmd        `cmd:"" help:"Select the builder that commands take where none is named."`
	Definition definitionCmd `cmd:"" help:"Check and convert definitions."`
	Index      indexCmd      `cmd:"" aliases:"imagetools" help:"Make and show images in registries."`
	Tags       tagsCmd       `cmd:"" help:"Show the tags and labels that a build gets from what the pipeline runs for."`
	Auth       authCmd       `cmd:"" help:"Show which credential is used for a registry, and why."`
	Login      loginCmd      `cmd:"" help:"Log in to a registry, as docker login does."`
	Logout     logoutCmd     `cmd:"" help:"Log out of a registry."`
	Install    installCmd    `cmd:"" help:"Copy this program into a directory, such as a volume that another container mounts."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Agent      agentCmd      `cmd:"" help:"Serve builders to the other containers of a pod."`
	Completion completionCmd `cmd:"" help:"Print the completion script for a shell."`
	Help       helpCmd       `cmd:"" help:"Show the help of a command."`
	Complete   completeCmd   `cmd:"" hidden:"" help:"Print what completion scripts ask for."`
	Docker     dockerCmd     `cmd:"" hidden:"" help:"Run a command of docker that is none of Slipway."`
	Docs       docsCmd       `cmd:"" hidden:"" help:"Write the reference of all commands."`
}

// global are the flags of every command.
type global struct {
	Builder     string           `env:"SLIPWAY_BUILDER,BUILDX_BUILDER" placeholder:"NAME" help:"The builder (default: the only one defined, else the one that slipway use or docker buildx use has selected)." group:"global"`
	Definitions string           `placeholder:"PATH" env:"SLIPWAY_DEFINITIONS" help:"File or directory of builder definitions (default: the first of /etc/slipway/definitions and buildx's own places)." group:"global"`
	Agent       string           `name:"agent" placeholder:"DIR" default:"/run/slipway" env:"SLIPWAY_AGENT" help:"Directory in which slipway agent serves builders to this container (default: ${default})." group:"global"`
	Kubeconfig  string           `placeholder:"FILE" env:"SLIPWAY_KUBECONFIG" help:"Kubeconfig file (default: the pod's service account, else KUBECONFIG)." group:"global"`
	Context     string           `name:"context" placeholder:"NAME" env:"SLIPWAY_CONTEXT" help:"Context of the kubeconfig." group:"global"`
	Transport   transportFlag    `placeholder:"NAME" env:"SLIPWAY_TRANSPORT" help:"How to reach builders in pods: auto, direct, portforward or exec (default: what the definition says, else auto)." group:"global"`
	LogLevel    string           `enum:"trace,debug,info,warn,error" default:"info" env:"SLIPWAY_LOG_LEVEL" help:"Least severe diagnostics to print (${enum})." group:"global"`
	LogFormat   string           `enum:"human,json" default:"human" env:"SLIPWAY_LOG_FORMAT" help:"Format of diagnostics (${enum})." group:"global"`
	Debug       bool             `short:"D" help:"Same as --log-level=debug." group:"global"`
	CIMask      bool             `name:"ci-mask" env:"SLIPWAY_CI_MASK" help:"Tell the runner of GitHub, Gitea, Forgejo or Azure which values are secret. It must be what reads standard error: anything else gets them in clear." group:"global"`
	ShowVersion kong.VersionFlag `name:"version" help:"Print the version." group:"global"`
}

// access is how the cluster is reached.
func (in *invocation) access() cluster.Access {
	g := in.global
	return cluster.Access{
		Access:    kube.Access{Kubeconfig: g.Kubeconfig, Context: g.Context, UserAgent: "slipway/" + version, Files: in.files, Home: in.env.Home, Lookup: in.env.lookup},
		Transport: configmap.Transport(g.Transport),
	}
}

// transportFlag is a transport's name, checked when flags are read.
type transportFlag configmap.Transport

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *transportFlag) UnmarshalText(text []byte) error {
	if len(text) == 0 { // pipelines pass variables that may be empty
		return nil
	}
	t, err := configmap.ParseTransport(string(text))
	*f = transportFlag(t)
	return err
}

// invocation is what a command's Run gets: the outside world, injected. What is
// written to its out and err is text: it is made safe for terminals and for the
// logs of CI systems, and secrets are taken out of it.
type invocation struct {
	streams
	// data is standard output as it is, for archives and for what is copied byte
	// for byte. json is for JSON, whose encoder escapes control characters; only
	// secrets are taken out.
	data, json io.Writer

	ctx      context.Context
	global   *global
	called   called
	docker   dockercli.Call  // the command line of docker, if that is what it is called
	images   *dockerCmd      // the variables of docker's commands about images
	given    map[string]bool // the flags that are on the command line, by name
	inputs   []string        // those flags and arguments, for people
	env      environment
	files    *source.Reader
	workdir  string // empty where there is none any more
	terminal *progress.Terminal
	secrets  *secrets
	log      zerolog.Logger
	// fromAgent says that the definitions are those of slipway agent.
	fromAgent bool
	// trusted are certificates for registries beside those of the definitions.
	trusted remote.Hosts
	// implied says which builder is used where none is defined, until it is told.
	implied string
}

// The values of --format for programs. Where docker buildx has a JSON of its own,
// that is json, and Slipway's, which docs/json.md describes, is json-list.
const (
	formatJSON     = "json"
	formatJSONList = "json-list"
)

// output is where the command's output goes in a format.
func (in *invocation) output(format string) io.Writer {
	if format == formatJSON || format == formatJSONList {
		return in.json
	}
	return in.out
}

// printJSON prints a value as docs/json.md describes.
func (in *invocation) printJSON(value any) error { return format.JSON(in.json, value) }

// parseFormat parses a value of --format: one of the words, for which it returns
// nil, or a Go template over rows like the given one.
func parseFormat(value string, row any, words ...string) (*format.Template, error) {
	if slices.Contains(words, value) {
		return nil, nil
	}
	parsed, err := format.Parse(value, row)
	switch {
	case errors.Is(err, format.ErrNoTemplate):
		err = fmt.Errorf("--format %q: is not %s, nor a Go template", value, strings.Join(words, ", "))
	case err != nil:
		err = fmt.Errorf("--format %q: %w", value, err)
	}
	if err != nil {
		fields := make([]string, 0, 16)
		for field := range reflect.TypeOf(row).Fields() {
			if field.IsExported() {
				fields = append(fields, "{{."+field.Name+"}}")
			}
		}
		return nil, &usageError{err: err, hints: []string{"a template can have " + strings.Join(fields, " ")}}
	}
	return parsed, nil
}

// writeTemplate writes rows by a template of --format. That a template does not fit
// what was found is a mistake of the user's.
func writeTemplate(w io.Writer, t *format.Template, headers map[string]string, rows []any) error {
	err := t.Write(w, headers, rows)
	if failed := (*format.ExecError)(nil); errors.As(err, &failed) {
		return &usageError{err: fmt.Errorf("--format %q: %w", failed.Template, failed)}
	}
	return err
}

// run is runAs under the program's own name.
func run(args []string, std streams) int { return runAs("slipway", args, std) }

// runAs parses the command line, runs the command and returns the exit code. The
// name is the one that the program was called by.
func runAs(name called, args []string, std streams) int {
	call, wrong := name.parse(args)
	if done, err := name.answer(call, std); done && wrong == nil {
		if err != nil { // only writing can fail
			return exitBuild
		}
		return 0
	}
	ctx, stop := process.WithSignals(context.Background(), std.err, exitCode)
	defer stop()

	mask := &progress.Mask{}
	var line cli
	err := error(&usageError{err: wrong})
	if wrong == nil {
		err = process.First(ctx, dispatch(ctx, &line, name, call, std, mask))
	}
	if err == nil {
		return 0
	}
	if wantsJSON(args, line.LogFormat) {
		gate := sanitize.FilterWriter(std.err, mask.Filter())
		_ = format.JSONLine(gate, errorOf(err, name.exitCode(err), time.Now()))
		_ = gate.Flush() // there is no place left to complain at
		return name.exitCode(err)
	}
	gate := sanitize.NewWriter(std.err, mask.Filter())
	printError(gate, name, err, stderrPainter(std.err))
	_ = gate.Flush() // there is no place left to complain at
	return name.exitCode(err)
}

func dispatch(ctx context.Context, line *cli, name called, call dockercli.Call, std streams, mask *progress.Mask) (err error) {
	defer fault.Catch(&err)
	args := call.Slipway
	if args == nil && call.Command != nil {
		args = []string{"docker"}
	}
	if err := model.CheckArguments(args); err != nil {
		return &usageError{err: err, hints: []string{"look at what makes the command line: a list in it may be longer than it should be"}}
	}
	exited := false
	values := &model.Words{}
	parser, err := kong.New(line,
		kong.KindMapper(reflect.String, values),
		kong.Name("slipway"),
		kong.Description("Build container images and files on BuildKit in Kubernetes, natively for every CPU architecture."),
		kong.Writers(std.out, std.err),
		kong.Vars{"version": versionLine()},
		kong.ExplicitGroups([]kong.Group{{Key: "global", Title: "Global flags:"}}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true}),
		kong.Help(model.PrintHelp),
		kong.ValueFormatter(model.FlagVariables),
		kong.Exit(func(int) { exited = true }),
	)
	if err != nil {
		return fmt.Errorf("set up the command line: %w", err)
	}
	values.Know(parser.Model)
	env, err := loadEnvironment(ctx, call.Config)
	if err != nil {
		return &usageError{err: err}
	}
	translated, args, err := name.executor(args, &env)
	if err != nil {
		return err
	}
	env.choose(parser.Model)
	model.Group(parser.Model)
	parsed, err := parser.Parse(model.DropEmpty(parser.Model, "build", args, "platform"))
	if exited { // --help and --version have printed what was asked for
		return nil
	}
	if nothingGiven(args, err, std) {
		return nil
	}
	if wrong := refuseDirectory(line.Context); wrong != nil {
		return wrong
	}
	if err != nil {
		return commandLineError(err)
	}
	if err := refuseSecrets(parsed); err != nil {
		return err
	}
	hidden := &secrets{mask: mask}
	diagnostics := std.err
	system, _, _ := env.CI.Choose(line.Build.CI) // a name that is not known is refused by the command
	if line.CIMask && listens(system, std.err) {
		hidden.tell, hidden.command = &lineWriter{out: std.err}, system.Mask
		diagnostics = hidden.tell
	}
	terminal := progress.NewTerminal(diagnostics, mask)
	logger := newLogger(terminal, std.err, &line.global, name)
	captureLibraries(logger)
	env.reportFlags(parsed)
	env.mistakes.tell(logger)
	if std.err == os.Stderr {
		stop, err := process.CaptureStderr(terminal, isTerminal(std.err))
		if err != nil {
			return &usageError{err: fault.ExplainAgent(fmt.Errorf("make a pipe for standard error: %w", err))}
		}
		defer stop()
	}
	text := sanitize.NewWriter(std.out, mask.Filter())
	forPrograms := sanitize.FilterWriter(std.out, mask.Filter())
	defer func() {
		if flushErr := errors.Join(text.Flush(), forPrograms.Flush()); err == nil {
			err = flushErr
		}
	}()
	workdir, err := os.Getwd()
	if err != nil {
		logger.Debug().Err(err).Msg("there is no working directory")
	}
	files := source.New(ctx, std.in)
	defer func() { _ = files.Close() }() // what it holds goes with the process
	in := &invocation{
		streams:  streams{in: std.in, out: text, err: terminal},
		data:     std.out,
		json:     forPrograms,
		ctx:      ctx,
		global:   &line.global,
		called:   name,
		docker:   call,
		given:    given(parsed),
		inputs:   model.Inputs(parsed),
		env:      env,
		files:    files,
		workdir:  workdir,
		terminal: terminal,
		secrets:  hidden,
		log:      logger,
	}
	in.tellOfEngine()
	in.forgetDefaultBuilder()
	if translated != nil {
		return translated.run(in, &line.Build)
	}
	err = parsed.Run(in)
	return explainContext(err, line.Context)
}

// given are the names of the flags that are on the command line, and not in a
// variable.
func given(parsed *kong.Context) map[string]bool {
	names := map[string]bool{}
	for _, part := range parsed.Path {
		if part.Flag != nil && !part.Resolved {
			names[part.Flag.Name] = true
		}
	}
	return names
}
