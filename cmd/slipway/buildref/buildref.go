// Package buildref keeps where docker buildx does what a build was made of: docker's
// GitHub actions look there for the Dockerfile that a warning is about.
package buildref

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/internal/target"
)

// State is what is kept of a build, key for key as docker buildx does
// (https://github.com/docker/buildx/blob/v0.38.2/localstate/localstate.go).
type State struct {
	// Target is the target of a bake file; "default" where there is none.
	Target string
	// LocalPath is the absolute path of the context, or its URL; "-" for standard
	// input.
	LocalPath string
	// DockerfilePath is the absolute path of the Dockerfile, "-" for standard input,
	// and as it was given where the context is a URL.
	DockerfilePath string
}

// StateOf describes a build by its context and the Dockerfile that was asked for,
// empty for the default one. Relative paths are those in workdir.
func StateOf(workdir, context, dockerfile string) State {
	s := State{Target: "default", LocalPath: context, DockerfilePath: dockerfile}
	if info, err := os.Stat(absolute(workdir, context)); context == "-" || err != nil || !info.IsDir() {
		return s
	}
	s.LocalPath = absolute(workdir, context)
	switch {
	case dockerfile == "":
		s.DockerfilePath = filepath.Join(s.LocalPath, "Dockerfile")
	case dockerfile != "-" && !strings.Contains(dockerfile, "://"):
		s.DockerfilePath = absolute(workdir, dockerfile)
	}
	return s
}

func absolute(workdir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(workdir, path)
}

// Save writes the state of a build below buildx's directory. ref is the build's, as
// buildx.build.ref of the metadata has it: BUILDER/NODE/ID.
func Save(ctx context.Context, dir, ref string, s State) error {
	path, err := pathOf(dir, ref)
	if err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := target.Open("", path)
	if err != nil {
		return err
	}
	return file.Write(ctx, text, 0o644)
}

// Load returns what is kept of a build below buildx's directory, as JSON; nil where
// that is nothing. ref is as for Save.
func Load(dir, ref string) json.RawMessage {
	path, err := pathOf(dir, ref)
	if err != nil {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxState))
	if err != nil || !json.Valid(text) {
		return nil
	}
	return text
}

// maxState bounds a file, in bytes: what is longer is not what Save writes.
const maxState = 1 << 20

// pathOf is the file of a build.
func pathOf(dir, ref string) (string, error) {
	parts := strings.Split(ref, "/")
	for _, part := range parts {
		if len(parts) != 3 || !filepath.IsLocal(part) || part == "." {
			return "", fmt.Errorf("%q is no reference of a build", ref)
		}
	}
	return filepath.Join(dir, "refs", parts[0], parts[1], parts[2]), nil
}
