package main

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
)

// called is the name under which the program runs. Under those of docker and
// buildx its errors, warnings and exit codes are theirs: scripts test for them.
type called string

// asDocker are the names of docker and of its plugin.
var asDocker = []string{"docker", "docker-buildx", "buildx"}

// calledAs is the name of a path in os.Args[0].
func calledAs(path string) called { return called(strings.TrimSuffix(filepath.Base(path), ".exe")) }

func (c called) docker() bool { return slices.Contains(asDocker, string(c)) }

// arguments are those of Slipway in a command line of docker: the docker command
// calls its plugin with the plugin's name before the command.
func (c called) arguments(args []string) []string {
	if c.docker() && len(args) > 0 && args[0] == "buildx" {
		return args[1:]
	}
	return args
}

// errorPrefix begins the line of an error.
func (c called) errorPrefix() string {
	if c.docker() {
		return "ERROR: "
	}
	return "error: "
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

// exitCode is that of an error. docker knows 1 for all but a signal.
func (c called) exitCode(err error) int {
	code := exitCode(err)
	if byUser := (signalError{}); c.docker() && !errors.As(err, &byUser) && code != exitCancel {
		return exitBuild
	}
	return code
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
