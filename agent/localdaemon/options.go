package localdaemon

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/configmap"
)

// The names of files in the directory of a daemon.
const (
	startLock = "start.lock"
	useLock   = "use.lock"
	logName   = "buildkitd.log"
	stateDir  = "state"
	filesDir  = "etc"
	// runtimeDir is XDG_RUNTIME_DIR of a daemon that is not root's.
	runtimeDir = "run"
)

// maxSocketPath is the longest path of a unix socket on Linux, see unix(7).
const maxSocketPath = 107

// LogFile is where the daemon of a node writes its log; empty where its directory is
// not known.
func LogFile(node configmap.Node) string {
	if node.Local == nil || node.Local.Root == "" {
		return ""
	}
	return filepath.Join(node.Local.Root, logName)
}

func socketOf(node configmap.Node) string {
	return filepath.Join(node.Local.Root, configmap.LocalSocket)
}

// checkRoot finds what is wrong with the directory before anything is touched.
func checkRoot(node configmap.Node) error {
	switch socket := socketOf(node); {
	case node.Local.Root == "":
		return hinted(errors.New("there is no directory for the state of buildkitd: neither HOME nor XDG_CACHE_HOME is set"), "say where it is to be: driver-opt root=DIR")
	case len(socket) > maxSocketPath:
		return hinted(fmt.Errorf("the path of the socket, %s, has %d bytes, and a unix socket at most %d", socket, len(socket), maxSocketPath), "choose a shorter directory: driver-opt root=DIR")
	}
	return nil
}

// command is the command line that starts the daemon: through rootlesskit where the
// user is not root, as buildctl-daemonless.sh of BuildKit does.
func command(node configmap.Node, root bool, lookPath func(string) (string, error)) ([]string, error) {
	l := node.Local
	daemon, err := lookPath(l.Buildkitd)
	if err != nil {
		return nil, hinted(fmt.Errorf("the driver local needs buildkitd: %w", err), "install BuildKit (https://github.com/moby/buildkit/releases), or say where it is: driver-opt buildkitd=PATH")
	}
	var line []string
	if !root {
		kit, err := lookPath(l.Rootlesskit)
		if err != nil {
			return nil, hinted(fmt.Errorf("buildkitd needs rootlesskit where the user is not root: %w", err), "install rootlesskit (https://github.com/rootless-containers/rootlesskit/releases) and newuidmap (package uidmap), say where it is with driver-opt rootlesskit=PATH, or build as root")
		}
		line = append(line, kit)
	}
	line = append(line, daemon,
		"--addr=unix://"+socketOf(node),
		"--root="+filepath.Join(l.Root, stateDir),
		"--otel-socket-path="+filepath.Join(l.Root, "otel.sock"), // the default is one path for all daemons
		"--containerd-worker=false",                              // a containerd of this machine is not ours
	)
	if _, ok := node.Files[configFile]; ok {
		line = append(line, "--config="+filepath.Join(l.Root, filesDir, configFile))
	}
	return append(line, node.Flags...), nil
}

// configFile is buildkitd's configuration among the files of a node.
const configFile = "buildkitd.toml"

// writeFiles writes the files of a node. Paths below /etc/buildkit, which is where
// they are in a pod, become those of the directory.
func writeFiles(node configmap.Node) error {
	dir := filepath.Join(node.Local.Root, filesDir)
	for name, data := range node.Files {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("file %q of the definition is not below /etc/buildkit", name)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if name == configFile {
			data = []byte(strings.ReplaceAll(string(data), "/etc/buildkit/", dir+"/"))
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// lookPath finds a program as a shell does.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if failed := (*exec.Error)(nil); errors.As(err, &failed) {
		return "", fmt.Errorf("%s: %w", failed.Name, failed.Err)
	}
	return path, err
}
