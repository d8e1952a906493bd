package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is where this program's module is.
const module = "github.com/slipway-build/slipway/e2e"

// helpers builds the programs that run in agent pods.
func helpers(ctx context.Context) (made map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	made = map[string][]byte{}
	for _, name := range []string{"timer", "tree"} {
		path := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, module+"/bench/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w: %s", name, err, out)
		}
		if made[name], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	// The image has a slipway of its own; this one comes before it on the PATH.
	if path := os.Getenv("SLIPWAY_UNDER_TEST"); path != "" {
		if made["slipway"], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// moduleDir is the folder of the e2e module.
func moduleDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the folder of %s (call this from the e2e folder): %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}
