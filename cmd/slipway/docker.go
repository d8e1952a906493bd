package main

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent"
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

// arguments are those of Slipway in a command line of docker, which calls its plugin
// with all of its own arguments
// (https://github.com/docker/cli/blob/v29.5.3/cli-plugins/manager/manager.go). Flags
// before the plugin's name are docker's: they say how its engine is reached.
func (c called) arguments(args []string) []string {
	if !c.docker() {
		return args
	}
	for i := 0; i < len(args); i++ {
		switch known, alone := dockerFlag(args[i]); {
		case args[i] == "buildx":
			return args[i+1:]
		case !known: // a command, or a flag of Slipway
			return args
		case !alone:
			i++
		}
	}
	return args
}

// dockerFlag tells whether an argument is a global flag of docker, and whether it
// stands alone: otherwise its value is the next argument
// (https://github.com/docker/cli/blob/v29.5.3/cli/flags/options.go).
func dockerFlag(arg string) (known, alone bool) {
	if name, long := strings.CutPrefix(arg, "--"); long {
		name, _, assigned := strings.Cut(name, "=")
		switch name {
		case "debug", "tls", "tlsverify":
			return true, true
		case "config", "context", "host", "log-level", "tlscacert", "tlscert", "tlskey":
			return true, assigned
		}
		return false, false
	}
	short, ok := strings.CutPrefix(arg, "-")
	short = strings.TrimLeft(short, "D") // flags without a value may stand together
	switch {
	case !ok || arg == "-":
		return false, false
	case short == "":
		return true, true
	}
	return strings.Contains("cHl", short[:1]), len(short) > 1
}

// defaultContext is the name of the docker context that stands for the local engine.
const defaultContext = "default"

// forgetDefaultBuilder takes BUILDX_BUILDER for not set where docker has set it: for
// docker build it passes the name of its context to the plugin
// (https://github.com/docker/cli/blob/v29.5.3/cmd/docker/builder.go), which is a
// builder of its engine and none of Slipway's.
func (in *invocation) forgetDefaultBuilder() {
	if !in.called.docker() || in.given["builder"] || in.env.variable("SLIPWAY_BUILDER") != "" || in.global.Builder != defaultContext {
		return
	}
	if set, err := in.load(); err != nil || !set.Has(defaultContext) { // the command reports the error
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

// exitCode is that of an error. docker and kaniko know 1 for all but a signal.
func (c called) exitCode(err error) int {
	code := exitCode(err)
	if byUser := (process.SignalError{}); (c.docker() || c.kaniko()) && !errors.As(err, &byUser) && code != exitCancel {
		return exitBuild
	}
	return code
}

// answer does what takes neither a builder nor a flag. done is true where that was asked.
func (c called) answer(args []string, std streams) (done bool, err error) {
	if done, err = c.answerKaniko(args, std.out); done {
		return done, err
	}
	if done, err = c.pluginMetadata(args, std.out); done {
		return done, err
	}
	return c.nothingToInstall(args, std.err)
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
