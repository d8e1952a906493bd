package solve

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
	"github.com/slipway-build/slipway/agent/event"
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

// TestNoFilesOfALostBuilder tests that a builder that goes away is no other error than it
// is without the flag, and that a line says why there are no files.
func TestNoFilesOfALostBuilder(t *testing.T) {
	b := &buildkittest.Server{Workers: 1}
	dial, _ := buildkittest.Serve(t, b)
	var conn net.Conn
	d, err := buildkit.Connect(t.Context(), func(ctx context.Context) (net.Conn, error) {
		var err error
		conn, err = dial(ctx)
		return conn, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, attrs("Dockerfile", "FROM scratch"))
	var warnings []string
	p, err := Prepare(t.Context(), Request{
		Context: dir, WorkDir: dir, OnFailure: []onfailure.Spec{{Dest: "reports", Paths: []string{"x"}, Max: 1}},
		Warn: func(message string) { warnings = append(warnings, message) },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Solve(t.Context(), d, job.Job{Single: true}, event.NewStream().Emitter())
	if Classify(err) != KindLost {
		t.Errorf("error %v is %s, want lost", err, Classify(err))
	}
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "--on-failure: no files of the failed step: the builder was lost") {
		t.Errorf("warnings %q", warnings)
	}
	if taken, err := p.PlaceFailedFiles(t.Context()); len(taken) > 0 || err != nil || !p.KeepsGoing() {
		t.Errorf("%v, %v", taken, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	_ = d.Close() // it is closed
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v: %v", entries, err)
	}
}

func TestInContext(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("tests/a.py", "x"))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out.py")); err != nil {
		t.Fatal(err)
	}
	p := &Plan{request: Request{WorkDir: "/elsewhere"}, inputs: inputs{Mounts: map[string]string{mountContext: dir}}}
	for name, want := range map[string]string{"tests/a.py": filepath.Join(dir, "tests", "a.py"), "tests": "", "no": "", "": "", "out.py": "", "../x": ""} {
		if got := p.inContext(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	if got := (&Plan{}).inContext("tests/a.py"); got != "" {
		t.Errorf("without a context it is %q", got)
	}
}
