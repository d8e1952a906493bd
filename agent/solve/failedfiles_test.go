package solve

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/onfailure"
)

func TestStepPlatform(t *testing.T) {
	amd64, arm64 := ocispecs.Platform{OS: "linux", Architecture: "amd64"}, ocispecs.Platform{OS: "linux", Architecture: "arm64"}
	both := []ocispecs.Platform{amd64, arm64}
	tests := []struct {
		name      string
		ranOn     *pb.Platform
		platforms []ocispecs.Platform
		want      string
	}{
		{"[linux/arm64 2/3] RUN x", nil, both, "linux/arm64"},
		{"[linux/amd64->arm64 build 2/3] RUN x", &pb.Platform{OS: "linux", Architecture: "amd64"}, both, "linux/arm64"},
		{"[linux/amd64->linux/arm64 build 2/3] RUN x", nil, both, "linux/arm64"},
		{"[linux/amd64->arm64 build 2/3] RUN x", nil, []ocispecs.Platform{arm64}, "linux/arm64"},
		{"[2/3] RUN x", &pb.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, both, "linux/arm64"},
		{"RUN x", &pb.Platform{OS: "linux", Architecture: "amd64"}, nil, "linux/amd64"},
		{"RUN x", nil, both, "unknown"},
		{"RUN x", &pb.Platform{OS: "..", Architecture: ".."}, both, "unknown"},
		{"[../../etc x] RUN x", nil, both, "unknown"},
	}
	for _, tt := range tests {
		if got := stepPlatform(tt.name, tt.ranOn, job.Job{Platforms: tt.platforms}); got != tt.want {
			t.Errorf("%s is for %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestOpenFailedFiles(t *testing.T) {
	outside, work := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(work, "out")); err != nil {
		t.Fatal(err)
	}
	copies := func(dest string) onfailure.Spec { return onfailure.Spec{Dest: dest, Paths: []string{"x"}, Max: 1} }
	tests := []struct {
		name  string
		specs []onfailure.Spec
		fails string
	}{
		{"none", nil, ""},
		{"two", []onfailure.Spec{copies("a"), copies("b"), {Dest: "a"}}, ""},
		{"the same twice", []onfailure.Spec{copies("a"), copies("./a/")}, "is given twice"},
		{"out of the checkout", []onfailure.Spec{copies("out/x")}, "leads out of the working directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, mistakes := openFailedFiles(t.Context(), Request{WorkDir: work, OnFailure: tt.specs})
			if tt.fails == "" {
				if err := mistakes.Err(); err != nil {
					t.Error(err)
				}
			} else {
				wantUsage(t, mistakes.Err(), onfailure.Flag, tt.fails)
			}
			if err := f.close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(filepath.Join(work, "a")); err == nil {
				t.Error("a directory was made before a step has failed")
			}
		})
	}
}
