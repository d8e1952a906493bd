// Package helm runs the versions of Helm that the chart is tested with.
package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Versions are those that `make helm` builds. They are the newest of Helm 3
// and of Helm 4 with the client of the product's Kubernetes, which halves what
// has to be compiled.
var Versions = []string{"v3.22.0", "v4.3.1"}

// Program is one version of Helm.
type Program struct {
	// Version is such as "v4.3.1".
	Version string
	path    string
	// home keeps what Helm writes out of the user's own folders.
	home string
	// kubeconfig is empty where no cluster is meant.
	kubeconfig string
}

// All finds every version. What they write goes below home. An error names
// the version that is missing and how to get it.
func All(home, kubeconfig string) ([]Program, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the user's cache: %w", err)
	}
	var all []Program
	for _, version := range Versions {
		path := filepath.Join(cache, "slipway-tools", "helm-"+version)
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("find Helm %s: %w\nhint: make helm", version, err)
		}
		all = append(all, Program{Version: version, path: path, home: filepath.Join(home, version), kubeconfig: kubeconfig})
	}
	return all, nil
}

// Run runs helm and returns what it prints. An error holds its standard error.
func (p Program) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.path, args...)
	// An empty KUBECONFIG would be the user's own file.
	kubeconfig := p.kubeconfig
	if kubeconfig == "" {
		kubeconfig = filepath.Join(p.home, "no-cluster")
	}
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig,
		"HELM_CACHE_HOME="+p.home, "HELM_CONFIG_HOME="+p.home, "HELM_DATA_HOME="+p.home)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("helm %s %s: %w: %s", p.Version, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
