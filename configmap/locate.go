package configmap

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/slipway-build/slipway/internal/fault"
)

// systemPath is where an agent image or a pod template mounts definitions.
const systemPath = "/etc/slipway/definitions"

// Places are the values that the search for definitions depends on. Empty
// ones are passed over.
type Places struct {
	// Explicit is the path the user gave; if it is set, nothing else is
	// looked at.
	Explicit string
	// Agent is where a sidecar of the pod may serve builders.
	Agent string
	// BuildxConfig is the value of BUILDX_CONFIG: buildx's state directory.
	BuildxConfig string
	// DockerConfig is the value of DOCKER_CONFIG: the directory of docker's
	// config.json.
	DockerConfig string
	// Home is the user's home directory.
	Home string
}

// OfBuildx reports whether path, as Locate returns it, is where docker buildx and
// slipway create keep what they have made themselves: nobody has named it, and
// nobody mounts it.
func (p Places) OfBuildx(path string) bool { return p.Explicit == "" && path != systemPath }

// Locate returns the path of the file or directory that holds the
// definitions: the first that exists. The order is the explicit path, that of a
// sidecar, /etc/slipway/definitions, and the directories where buildx keeps its
// instance files. An *Error lists every place that was looked at.
func Locate(p Places) (string, error) {
	return locate(p, systemPath)
}

func locate(p Places, system string) (string, error) {
	if p.Explicit != "" {
		if _, err := os.Stat(p.Explicit); err != nil {
			return "", unreadable(p.Explicit, err)
		}
		return p.Explicit, nil
	}
	var places []string
	if p.Agent != "" {
		places = append(places, p.Agent)
	}
	places = append(places, system)
	if p.BuildxConfig != "" {
		places = append(places, filepath.Join(p.BuildxConfig, "instances"))
	}
	if p.DockerConfig != "" {
		places = append(places, filepath.Join(p.DockerConfig, "buildx", "instances"))
	}
	if p.Home != "" {
		places = append(places, filepath.Join(p.Home, ".docker", "buildx", "instances"))
	}
	for _, place := range places {
		_, err := os.Stat(place)
		switch {
		case err == nil:
			return place, nil
		case !absent(err): // it is there and may be the one that was meant
			return "", unreadable(place, err)
		}
	}
	hints := []string{"mount the ConfigMap with the definitions at " + system + ", or say where they are with --definitions PATH or SLIPWAY_DEFINITIONS"}
	for _, place := range places {
		hints = append(hints, "looked at "+place)
	}
	return "", &Error{message: "no builder definitions found", hints: hints, none: true}
}

// absent says whether a path leads nowhere, be it that a part of it is a file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func unreadable(path string, err error) *Error {
	hint := "check that " + path + " is mounted and that the agent's user may read it"
	switch full := fault.OutOfFiles(err); {
	case full != nil: // it says nothing of the definitions
		hint = fault.Hints(full)[0]
	case absent(err):
		hint = "give --definitions or SLIPWAY_DEFINITIONS a file, or a directory such as a mounted ConfigMap"
	}
	return &Error{message: "definitions " + path + " cannot be read", hints: []string{hint}, cause: reason(err)}
}

// reason drops the operation and the path from a file error: the message has
// the path already.
func reason(err error) error {
	if known := (*fs.PathError)(nil); errors.As(err, &known) {
		return known.Err
	}
	return err
}
