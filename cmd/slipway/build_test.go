package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/solve"
)

// TestImageIDOnStandardOutput has builds that print it, as docker buildx does, and
// those that must not: where there is none, and where an archive is printed.
func TestImageIDOnStandardOutput(t *testing.T) {
	const id = "sha256:0123456789012345678901234567890123456789012345678901234567890123"
	image := map[string]string{"containerimage.config.digest": id, "containerimage.digest": strings.Replace(id, "0", "f", 1)}
	for _, tt := range []struct {
		name     string
		response map[string]string
		flags    []string
		want     string
	}{
		{"quiet", image, []string{"-q", "-o", "type=image,name=app"}, id + "\n"},
		{"the progress quiet", image, []string{"--progress=quiet", "-o", "type=image,name=app"}, id + "\n"},
		{"quiet and the progress none", image, []string{"-q", "--progress=none", "-o", "type=image,name=app"}, id + "\n"},
		{"the progress none", image, []string{"--progress=none", "-o", "type=image,name=app"}, ""},
		{"loud", image, []string{"--progress=plain", "-o", "type=image,name=app"}, ""},
		{"no image", nil, []string{"-q", "-o", "type=cacheonly"}, ""},
		{"no output", nil, []string{"--progress=quiet"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alone(t)
			dir := t.TempDir()
			for name, text := range map[string]string{
				"context/Dockerfile": "FROM scratch\n",
				"far.yaml":           "Name: far\nDriver: remote\nNodes:\n- Name: far\n  Platforms: [linux/amd64]\n  Endpoint: " + (&fleettest.Daemon{Answers: tt.response}).Listen(t) + "\n",
			} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out, errs bytes.Buffer
			args := append([]string{"build", "--definitions", filepath.Join(dir, "far.yaml"), "--platform", "linux/amd64", filepath.Join(dir, "context")}, tt.flags...)
			if code := run(args, streams{strings.NewReader(""), &out, &errs}); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, errs.String())
			}
			if out.String() != tt.want {
				t.Errorf("standard output %q, want %q", out.String(), tt.want)
			}
		})
	}
}

// TestUsesStdout is about outputs whose bytes are all of standard output.
func TestUsesStdout(t *testing.T) {
	for value, want := range map[string]bool{"-": true, "type=oci,dest=-": true, "out": false, "type=oci,dest=image.tar": false} {
		asked, err := (&buildCmd{Context: ".", Output: []string{value}}).spec().Request(solve.Surroundings{})
		if err != nil {
			t.Fatal(err)
		}
		if got := usesStdout(asked.Outputs); got != want {
			t.Errorf("%s: %t", value, got)
		}
	}
}
