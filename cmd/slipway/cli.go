package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
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

	Build      buildCmd      `cmd:"" help:"Build from a Dockerfile."`
	Up         upCmd         `cmd:"" help:"Make sure that a builder runs, and wait until it answers."`
	Ls         lsCmd         `cmd:"" help:"List builders and their nodes."`
	Inspect    inspectCmd    `cmd:"" help:"Show a builder: its nodes, their pods and what these hold and do."`
	Du         duCmd         `cmd:"" help:"Show what the caches of a builder hold."`
	Prune      pruneCmd      `cmd:"" help:"Remove cache of a builder."`
	Rm         rmCmd         `cmd:"" help:"Remove builders: what Slipway made of them, and their definitions."`
	Gc         gcCmd         `cmd:"" help:"Put idle builders to sleep, and remove what is left over of definitions."`
	Logs       logsCmd       `cmd:"" help:"Print what buildkitd says in the pods of a builder."`
	Doctor     doctorCmd     `cmd:"" help:"Find what would keep a build from succeeding, and say what to do."`
	Create     createCmd     `cmd:"" help:"Define a builder, or change one: write its definition."`
	Definition definitionCmd `cmd:"" help:"Check and convert definitions."`
	Index      indexCmd      `cmd:"" aliases:"imagetools" help:"Make and show images in registries."`
	Auth       authCmd       `cmd:"" help:"Show which credential is used for a registry, and why."`
	Login      loginCmd      `cmd:"" help:"Log in to a registry, as docker login does."`
	Logout     logoutCmd     `cmd:"" help:"Log out of a registry."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print the completion script for a shell."`
	Docs       docsCmd       `cmd:"" hidden:"" help:"Write the reference of all commands."`
}

// global are the flags of every command.
type global struct {
	Builder     string           `env:"SLIPWAY_BUILDER,BUILDX_BUILDER" placeholder:"NAME" help:"The builder (default: the only one defined)." group:"global"`
	Definitions string           `placeholder:"PATH" env:"SLIPWAY_DEFINITIONS" help:"File or directory of builder definitions (default: the first of /etc/slipway/definitions and buildx's own places)." group:"global"`
	Kubeconfig  string           `placeholder:"FILE" env:"SLIPWAY_KUBECONFIG" help:"Kubeconfig file (default: the pod's service account, else KUBECONFIG)." group:"global"`
	Context     string           `name:"context" placeholder:"NAME" env:"SLIPWAY_CONTEXT" help:"Context of the kubeconfig." group:"global"`
	Transport   transportFlag    `placeholder:"NAME" env:"SLIPWAY_TRANSPORT" help:"How to reach builders in pods: auto, direct, portforward or exec (default: what the definition says, else auto)." group:"global"`
	LogLevel    string           `enum:"trace,debug,info,warn,error" default:"info" env:"SLIPWAY_LOG_LEVEL" help:"Least severe diagnostics to print (${enum})." group:"global"`
	LogFormat   string           `enum:"human,json" default:"human" env:"SLIPWAY_LOG_FORMAT" help:"Format of diagnostics (${enum})." group:"global"`
	Debug       bool             `short:"D" help:"Same as --log-level=debug." group:"global"`
	CIMask      bool             `name:"ci-mask" env:"SLIPWAY_CI_MASK" help:"Tell GitHub's runner which values are secret. It must be what reads standard error: anything else gets them in clear." group:"global"`
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
	env      environment
	files    *source.Reader
	workdir  string // empty where there is none any more
	terminal *progress.Terminal
	secrets  *secrets
	log      zerolog.Logger
}

// formatJSON is the value of --format for programs.
const formatJSON = "json"

// output is where the command's output goes in a format.
func (in *invocation) output(format string) io.Writer {
	if format == formatJSON {
		return in.json
	}
	return in.out
}

// run parses the command line, runs the command and returns the exit code.
func run(args []string, std streams) int {
	ctx, stop := withSignals(context.Background(), std.err)
	defer stop()

	mask := &progress.Mask{}
	err := first(ctx, dispatch(ctx, args, std, mask))
	if err == nil {
		return 0
	}
	gate := sanitize.NewWriter(std.err, mask.Filter())
	printError(gate, err)
	_ = gate.Flush() // there is no place left to complain at
	return exitCode(err)
}

func dispatch(ctx context.Context, args []string, std streams, mask *progress.Mask) (err error) {
	defer fault.Catch(&err)
	var line cli
	exited := false
	values := &words{}
	parser, err := kong.New(&line,
		kong.KindMapper(reflect.String, values),
		kong.Name("slipway"),
		kong.Description("Build container images and files on BuildKit in Kubernetes, natively for every CPU architecture."),
		kong.Writers(std.out, std.err),
		kong.Vars{"version": versionLine()},
		kong.ExplicitGroups([]kong.Group{{Key: "global", Title: "Global flags:"}}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true}),
		kong.Exit(func(int) { exited = true }),
	)
	if err != nil {
		return fmt.Errorf("set up the command line: %w", err)
	}
	values.know(parser.Model)
	parsed, err := parser.Parse(args)
	if exited { // --help and --version have printed what was asked for
		return nil
	}
	if err != nil {
		return &usageError{err: err, hints: []string{"slipway --help lists the commands, slipway COMMAND --help a command's flags"}}
	}
	if err := refuse(parsed); err != nil {
		return err
	}
	if err := refuseSecrets(parsed); err != nil {
		return err
	}
	env, err := loadEnvironment(ctx)
	if err != nil {
		return &usageError{err: err}
	}
	hidden := &secrets{mask: mask}
	diagnostics := std.err
	if line.CIMask && listens(env, std.err) {
		hidden.tell, hidden.command = &lineWriter{out: std.err}, env.CI.Masker()
		diagnostics = hidden.tell
	}
	terminal := progress.NewTerminal(diagnostics, mask)
	logger := newLogger(terminal, std.err, &line.global)
	captureLibraries(logger)
	if std.err == os.Stderr {
		stop, err := captureStderr(terminal, isTerminal(std.err))
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
	return parsed.Run(&invocation{
		streams:  streams{in: std.in, out: text, err: terminal},
		data:     std.out,
		json:     forPrograms,
		ctx:      ctx,
		global:   &line.global,
		env:      env,
		files:    files,
		workdir:  workdir,
		terminal: terminal,
		secrets:  hidden,
		log:      logger,
	})
}
