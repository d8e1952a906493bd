package solve

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil/types"

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

// failingBuilder is a gateway's client at a builder on which every platform fails, each in
// a step that has left a.txt in /src.
type failingBuilder struct {
	gateway.Client
	gateway.Container
	old bool
}

func (b *failingBuilder) BuildOpts() gateway.BuildOpts {
	var caps apicaps.CapList
	caps.Init(apicaps.Cap{ID: gatewaypb.CapGatewayExecFilesystem, Enabled: true, Status: apicaps.CapStatusExperimental})
	if b.old {
		return gateway.BuildOpts{Caps: caps.CapSet(nil)}
	}
	return gateway.BuildOpts{Caps: caps.CapSet(caps.All())}
}

func (b *failingBuilder) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return b, nil
}

func (b *failingBuilder) Release(context.Context) error { return nil }

func (b *failingBuilder) ReadDir(_ context.Context, req gateway.ReadDirContainerRequest) ([]*types.Stat, error) {
	if req.Path == "/" {
		return []*types.Stat{{Path: "src", Mode: uint32(fs.ModeDir | 0o755)}}, nil
	}
	return []*types.Stat{{Path: "a.txt", Mode: 0o644, Size: 1}}, nil
}

func (b *failingBuilder) ReadFile(context.Context, gateway.ReadContainerRequest) ([]byte, error) {
	return []byte("a"), nil
}

// failingResult is one platform's.
type failingResult struct {
	gateway.Reference
	platform string
}

func (r *failingResult) Evaluate(context.Context) error { return r.failure() }

func (r *failingResult) failure() error {
	op := &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{Meta: &pb.Meta{Cwd: "/src"}, Mounts: []*pb.Mount{{Dest: "/"}}}}}
	return &errdefs.SolveError{Err: errors.New("exit code: 1"), Solve: &errdefs.Solve{
		Op: op, MountIDs: []string{"root"}, Description: map[string]string{"llb.customname": "[" + r.platform + " 2/2] RUN x"},
	}}
}

// TestFilesOfSeveralPlatformsOnOneNode has a solve of two platforms, both of which fail.
func TestFilesOfSeveralPlatformsOnOneNode(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("Dockerfile", "FROM scratch"))
	var warnings []string
	p, err := Prepare(t.Context(), Request{
		Context: dir, WorkDir: dir, OnFailure: []onfailure.Spec{{Dest: "reports", Paths: []string{"*.txt"}, Max: 10}, {Dest: "list"}},
		Warn: func(message string) { warnings = append(warnings, message) },
	})
	if err != nil {
		t.Fatal(err)
	}
	result := gateway.NewResult()
	result.AddRef("linux/amd64", &failingResult{platform: "linux/amd64"})
	result.AddRef("linux/arm64", &failingResult{platform: "linux/arm64"})
	of := job.Job{Platforms: []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}}
	stream := event.NewStream()
	var listed []string
	sub := stream.Subscribe("test", consume(func(e event.Event) error {
		listed = append(listed, e.Progress.Vertexes[0].Name+": "+string(e.Progress.Logs[0].Data))
		return nil
	}))
	feed := newFeed(stream.Emitter())
	if err := p.evaluate(t.Context(), &failingBuilder{}, result, of, feed); err == nil || err.Error() != "exit code: 1" {
		t.Errorf("error %v", err)
	}
	p.take(t.Context(), &failingBuilder{old: true}, (&failingResult{}).failure(), of, feed)
	p.take(t.Context(), &failingBuilder{}, errors.New("a Dockerfile that cannot be parsed"), of, feed)
	feed.close()
	if err := sub.End(); err != nil {
		t.Error(err)
	}
	if len(listed) != 2 || !strings.HasPrefix(listed[0], "[on-failure] files in /src of [linux/a") || !strings.Contains(listed[0], "src/a.txt\n") {
		t.Errorf("listed %q", listed)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "BuildKit v0.27") || !strings.Contains(warnings[1], "no step of the build has failed") {
		t.Errorf("warnings %q", warnings)
	}
	taken, err := p.PlaceFailedFiles(t.Context())
	if err != nil || len(taken) != 2 || taken[0].Path != "reports/linux_amd64" || taken[1].Path != "reports/linux_arm64" || taken[1].Files != 1 || len(taken[1].LeftOut) > 0 {
		t.Errorf("%+v, %v", taken, err)
	}
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		if data, err := os.ReadFile(filepath.Join(dir, "reports", platform, "a.txt")); err != nil || string(data) != "a" {
			t.Errorf("%s: %q, %v", platform, data, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
