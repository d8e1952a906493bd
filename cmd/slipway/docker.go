package main

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/cmd/slipway/dockercli"
	"github.com/slipway-build/slipway/cmd/slipway/dockerinfo"
	"github.com/slipway-build/slipway/cmd/slipway/process"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// called is the name under which the program runs. Under those of docker and
// buildx its errors, warnings and exit codes are theirs: scripts test for them.
type called string

// asDocker are the names of docker and of its plugin.
var asDocker = []string{"docker", "docker-buildx", "buildx"}

// calledAs is the name of a path in os.Args[0].
func calledAs(path string) called { return called(strings.TrimSuffix(filepath.Base(path), ".exe")) }

func (c called) docker() bool { return slices.Contains(asDocker, string(c)) }

// parse reads the command line. One of docker becomes one of Slipway, or a command of
// docker that is answered by dockerAnswers.
func (c called) parse(args []string) (dockercli.Call, error) {
	switch {
	case c == "docker":
		return dockercli.Docker(args)
	case c.docker():
		return dockercli.Plugin(args)
	}
	return dockercli.Call{Slipway: args}, nil
}

// dockerAnswers are docker's commands that are none of Slipway's, by their names in
// package dockercli.
var dockerAnswers = map[string]func(*invocation, dockercli.Call) error{
	"version": func(in *invocation, call dockercli.Call) error {
		return dockerinfo.WriteVersion(in.output(call.String("format")), program(), call.String("format"))
	},
}

// program is what docker version and docker info say of this one.
func program() dockerinfo.Program {
	v := currentVersion()
	return dockerinfo.Program{Version: v.Version, Commit: v.Commit, Go: v.GoVersion, OS: runtime.GOOS, Arch: runtime.GOARCH}
}

// dockerCmd runs a command of docker that is none of Slipway's.
type dockerCmd struct {
	imageFlags
	registryFlags
}

// Run runs the command of the call.
func (c *dockerCmd) Run(in *invocation) error {
	if in.docker.Command == nil {
		return &usageError{err: errors.New("docker: is for calls by the name of docker"), hints: []string{"slipway install --as docker DIR makes a link with that name"}}
	}
	if answer, ok := imageAnswers[in.docker.Command.Name]; ok {
		return c.answerImages(in, answer)
	}
	err := dockerAnswers[in.docker.Command.Name](in, in.docker)
	if wrong := (*dockerinfo.FormatError)(nil); errors.As(err, &wrong) {
		return &usageError{err: err}
	}
	return err
}

// forgetDefaultBuilder takes BUILDX_BUILDER for not set where docker has set it: for
// docker build it passes the name of its context to the plugin
// (https://github.com/docker/cli/blob/v29.5.3/cmd/docker/builder.go), which is a
// builder of its engine and none of Slipway's.
func (in *invocation) forgetDefaultBuilder() {
	if !in.called.docker() || in.given["builder"] || in.env.variable("SLIPWAY_BUILDER") != "" || in.global.Builder != dockerinfo.DefaultContext {
		return
	}
	if set, err := in.load(); err != nil || !set.Has(dockerinfo.DefaultContext) { // the command reports the error
		in.global.Builder = ""
	}
}

// errorPrefix begins the line of an error.
func (c called) errorPrefix() string {
	if c.docker() {
		return "ERROR:"
	}
	return "error:"
}

// message is what the line of an error says. docker's has BuildKit's own words for a
// failed build, which scripts and annotators look for.
func (c called) message(err error) string {
	if c.docker() {
		return agent.BuildxMessage(err)
	}
	return err.Error()
}

// level is what a diagnostic begins with, empty where it is Slipway's own way.
func (c called) level(level string) string {
	switch {
	case !c.docker():
		return ""
	case level == zerolog.LevelWarnValue:
		return "WARNING:"
	}
	return strings.ToUpper(level) + ":"
}

// exitCode is that of an error. docker knows 1 for all but a signal; what needs an engine
// has a code of its own, by which a pipeline can tell it.
func (c called) exitCode(err error) int {
	code := exitCode(err)
	if engine := (*dockercli.EngineError)(nil); errors.As(err, &engine) {
		return exitUsage
	}
	if byUser := (process.SignalError{}); c.docker() && !errors.As(err, &byUser) && code != exitCancel {
		return exitBuild
	}
	return code
}

// answer does what takes neither a builder nor the environment. done is true where that
// was asked.
func (c called) answer(call dockercli.Call, std streams) (done bool, err error) {
	switch {
	case call.Help:
		return true, call.WriteHelp(std.out)
	case call.Is("--version"):
		return true, dockerinfo.WriteVersionLine(std.out)
	}
	if done, err = c.pluginMetadata(call.Slipway, std.out); done {
		return done, err
	}
	return c.nothingToInstall(call.Slipway, std.err)
}

// nothingToInstall answers docker buildx install and uninstall, which say what docker
// build is: it comes here as it is, from docker 23 on or under the name of docker. done
// is true where that was asked.
func (c called) nothingToInstall(args []string, diagnostics io.Writer) (done bool, err error) {
	if !c.docker() || len(args) != 1 || args[0] != "install" && args[0] != "uninstall" {
		return false, nil
	}
	_, err = sanitize.Fprintf(diagnostics, "%s nothing to %s: docker build uses this program as it is\n", c.level(zerolog.LevelInfoValue), args[0])
	return true, err
}

// pluginMetadata answers the question by which the docker command knows a plugin
// (https://github.com/docker/cli/blob/v29.5.3/cli-plugins/metadata/metadata.go).
// done is true where that was asked.
func (c called) pluginMetadata(args []string, out io.Writer) (done bool, err error) {
	if !c.docker() || len(args) != 1 || args[0] != "docker-cli-plugin-metadata" {
		return false, nil
	}
	return true, json.NewEncoder(out).Encode(map[string]string{
		"SchemaVersion":    "0.1.0",
		"Vendor":           "Slipway",
		"Version":          buildxVersion + "+slipway." + version,
		"ShortDescription": "Build on BuildKit in Kubernetes, with the commands of buildx",
	})
}
