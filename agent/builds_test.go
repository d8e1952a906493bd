package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// builder is a fleet of one node that declares linux/amd64.
func builder(t *testing.T, daemon *fleettest.Daemon) (*fleet.Fleet, *fleettest.Cluster) {
	t.Helper()
	amd := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: daemon})
	definition := configmap.Definition{Name: "kube", Nodes: []configmap.Node{{Name: "n", Kubernetes: &configmap.Kubernetes{}, Platforms: []ocispecs.Platform{amd}}}}
	f := fleet.New(definition, &fleet.Connector{Client: func(configmap.Node) (fleet.Cluster, error) { return c, nil }, Log: zerolog.Nop()})
	t.Cleanup(f.Close)
	return f, c
}

// buildIn is a build of a directory with an environment of one variable.
func buildIn(t *testing.T, f *fleet.Fleet, shown *strings.Builder, epoch string) Build {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Build{
		Fleet: f,
		Request: solve.Request{
			Context: dir, WorkDir: dir, Mtime: contextfs.MtimeKeep, ContextKey: "key of " + epoch,
			Outputs: []output.Output{{Type: "cacheonly"}},
			Lookup: func(name string) (string, bool) {
				if name == "SOURCE_DATE_EPOCH" {
					return epoch, true
				}
				return "", false
			},
		},
		Terminal: progress.NewTerminal(shown, nil),
		Mode:     progress.Plain,
		Log:      zerolog.Nop(),
	}
}

// TestTwoBuildsInOneProcess has builds of different directories with different
// environments, at once on one fleet.
func TestTwoBuildsInOneProcess(t *testing.T) {
	daemon := &fleettest.Daemon{}
	f, c := builder(t, daemon)
	var running sync.WaitGroup
	epochs := []string{"1111111111", "2222222222"}
	for _, epoch := range epochs {
		var shown strings.Builder
		b := buildIn(t, f, &shown, epoch)
		running.Go(fault.Protect(func() {
			made, err := b.Run(t.Context())
			if err != nil {
				t.Errorf("%s: %v", epoch, err)
				return
			}
			if len(made.Parts) != 1 || made.Parts[0].Node != "n" || made.Parts[0].Pod != "a" || made.ImageID() != "" {
				t.Errorf("%s: report %+v", epoch, made)
			}
			described, err := b.DryRun(t.Context(), true)
			if err != nil {
				t.Errorf("%s: %v", epoch, err)
				return
			}
			if described[0].Mounts["context"] != b.Request.Context || described[0].BuildArgs["SOURCE_DATE_EPOCH"] != epoch {
				t.Errorf("%s: described as %+v", epoch, described)
			}
		}))
	}
	running.Wait()
	found := map[string]int{}
	for _, attrs := range daemon.Solves() {
		found[attrs["build-arg:SOURCE_DATE_EPOCH"]]++
	}
	if len(found) != 2 || found[epochs[0]] != 1 || found[epochs[1]] != 1 {
		t.Errorf("solved with %v", found)
	}
	if c.Open() != 1 {
		t.Errorf("%d connections, want one for both", c.Open())
	}
}

// TestPartsOfImages tests that a builder is rid of what an interrupted build has left
// of an image, which would fail each build from that image, and solved on once more.
func TestPartsOfImages(t *testing.T) {
	part := status.Error(codes.Unknown, "failed to compute cache key: failed to copy: unsupported offset")
	for name, tt := range map[string]struct {
		daemon *fleettest.Daemon
		solves int
		ok     bool
	}{
		"a part":            {&fleettest.Daemon{Refusal: part, Healed: true}, 2, true},
		"a part that stays": {&fleettest.Daemon{Refusal: part}, 2, false},
		"another failure":   {&fleettest.Daemon{Refusal: status.Error(codes.Unknown, "failed to copy: 500"), Healed: true}, 1, false},
	} {
		f, _ := builder(t, tt.daemon)
		var shown strings.Builder
		_, err := buildIn(t, f, &shown, "1").Run(t.Context())
		if (err == nil) != tt.ok || len(tt.daemon.Solves()) != tt.solves {
			t.Errorf("%s: %d solves, %v", name, len(tt.daemon.Solves()), err)
		}
	}
}

// TestWhatEndsABuildAtOnce has mistakes that show before the cluster is touched.
func TestWhatEndsABuildAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Build)
		words  string
	}{
		"no context": {func(b *Build) { b.Request.Context += "/none" }, "none"},
		"a platform that nobody has": {func(b *Build) {
			b.Platforms = []ocispecs.Platform{platforms.MustParse("linux/s390x")}
			b.Fleet = fleet.New(b.Fleet.Definition().WithStrictPlatforms(), &fleet.Connector{Log: zerolog.Nop()})
		}, `no node of builder "kube" builds for linux/s390x`},
		"no terminal": {func(b *Build) { b.Mode = progress.TTY }, "--progress=tty: "},
	} {
		f, c := builder(t, &fleettest.Daemon{})
		var shown strings.Builder
		b := buildIn(t, f, &shown, "1")
		tt.change(&b)
		if made, err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.words) || fault.ClassOf(err) != fault.ClassUsage || made != nil {
			t.Errorf("%s: error %v", name, err)
		}
		if len(c.Calls()) > 0 {
			t.Errorf("%s: the cluster was touched: %q", name, c.Calls())
		}
	}
}

// TestAPlatformThatNoNodeClaims is built for in the same solve, and said once.
func TestUnclaimed(t *testing.T) {
	list := []ocispecs.Platform{platforms.MustParse("linux/s390x"), platforms.MustParse("linux/riscv64")}
	for n, want := range map[int]string{
		1: "no node claims linux/s390x: node n builds for it; a step that runs for it needs an emulator there",
		2: "no node claims linux/s390x, linux/riscv64: node n builds for them; a step that runs for one of them needs an emulator there",
	} {
		if got := unclaimed(list[:n], "n"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAPlatformThatNoNodeClaims(t *testing.T) {
	daemon := &fleettest.Daemon{}
	f, _ := builder(t, daemon)
	var shown, said strings.Builder
	b := buildIn(t, f, &shown, "1")
	b.Log = zerolog.New(&said)
	for _, name := range []string{"linux/amd64", "linux/s390x", "windows/amd64"} {
		b.Platforms = append(b.Platforms, platforms.MustParse(name))
	}
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	solves := daemon.Solves()
	if len(solves) != 1 || solves[0]["platform"] != "linux/amd64,linux/s390x,windows/amd64" {
		t.Errorf("solved as %v", solves)
	}
	if n := strings.Count(said.String(), "no node claims linux/s390x, windows/amd64: node n builds for them; a step that runs for one of them needs an emulator there"); n != 1 {
		t.Errorf("said %d times:\n%s", n, said.String())
	}
}

// TestABuildOnABuilderThatDoesNotStart ends with its reason and the class cluster.
func TestABuildOnABuilderThatDoesNotStart(t *testing.T) {
	f, c := builder(t, &fleettest.Daemon{})
	c.Fail = func(string, int) error { return context.DeadlineExceeded }
	var shown strings.Builder
	_, err := buildIn(t, f, &shown, "1").Run(t.Context())
	if fault.ClassOf(err) != fault.ClassCluster || !strings.Contains(shown.String(), "the reason is below") {
		t.Errorf("error %v after:\n%s", err, shown.String())
	}
}

// TestTheDryRunNeedsDeclaredPlatforms has a node of which only the cluster knows
// what it builds for.
func TestTheDryRunNeedsDeclaredPlatforms(t *testing.T) {
	f := fleet.New(configmap.Definition{Name: "kube", Nodes: []configmap.Node{{Name: "any", Kubernetes: &configmap.Kubernetes{}}}}, &fleet.Connector{Log: zerolog.Nop()})
	var shown strings.Builder
	b := buildIn(t, f, &shown, "1")
	b.Platforms = []ocispecs.Platform{platforms.MustParse("linux/s390x")}
	if _, err := b.DryRun(t.Context(), false); fault.ClassOf(err) != fault.ClassUsage {
		t.Errorf("error %v", err)
	}
}

// TestDefaultLoad has definitions of which one node loads by default.
func TestDefaultLoad(t *testing.T) {
	plain, loads := configmap.Node{Kubernetes: &configmap.Kubernetes{}}, configmap.Node{Remote: &configmap.Remote{DefaultLoad: true}}
	for _, tt := range []struct {
		nodes []configmap.Node
		want  bool
	}{{nil, false}, {[]configmap.Node{plain}, false}, {[]configmap.Node{plain, loads}, true}} {
		if got := DefaultLoad(configmap.Definition{Nodes: tt.nodes}); got != tt.want {
			t.Errorf("%+v: %t", tt.nodes, got)
		}
	}
}
