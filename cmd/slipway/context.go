package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/internal/target"
)

// contextFlags say how the files of a context are known again by the builder.
type contextFlags struct {
	ContextKey   string `env:"SLIPWAY_CONTEXT_KEY" placeholder:"KEY" help:"What the builder knows the context by (default: repository and path in it)."`
	ContextMtime string `enum:"auto,keep,content" default:"auto" env:"SLIPWAY_CONTEXT_MTIME" placeholder:"MODE" help:"Modification times of the context's files: keep; content, by which unchanged files of a new clone are not sent again; or auto: content unless a cache mount may hold results of make and the like."`
	ContextCache string `env:"SLIPWAY_CONTEXT_CACHE" placeholder:"DIR" help:"Directory that saves reading the files of a workspace again in its next build, or off (default: slipway in the user's cache directory)."`
}

// setContext puts the flags into a request.
func (f contextFlags) setContext(r *solve.Request, in *invocation) error {
	env := in.env
	if id, ok := env.CI.Identify(); ok {
		r.Identify = id.Path
	}
	switch f.ContextCache {
	case "":
		r.SumDir = env.cacheDir()
	case "off":
	default:
		dir, err := writableDir(in.workdir, f.ContextCache)
		if err != nil {
			return &usageError{err: fmt.Errorf("--context-cache: %w", err)}
		}
		r.SumDir = dir
	}
	return nil
}

// writableDir makes a directory that a flag names, if it is missing.
func writableDir(workdir, dir string) (string, error) {
	existing, rest, err := target.Resolve(workdir, dir)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(existing, rest)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return "", fmt.Errorf("directory %s: %w", dir, err)
	}
	return dir, nil
}
