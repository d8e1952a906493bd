package fleet

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// builds returns an affinity.
func builds(what string) func() string { return func() string { return what } }

// others returns an affinity that prefers another pod of two than that of what.
func others(what string) string {
	for other := what; ; other += "x" {
		if inOrder(other, "a", "b")[0] != inOrder(what, "a", "b")[0] {
			return other
		}
	}
}

func twoPods(t *testing.T) *fleettest.Cluster {
	return fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}}, fleettest.Pod{Name: "b", Daemon: &fleettest.Daemon{}})
}

func dials(c *fleettest.Cluster) []string {
	return slices.DeleteFunc(c.Calls(), func(call string) bool { return !strings.HasPrefix(call, "dial ") })
}

// TestConnectionsStay has builds one after the other on one fleet.
func TestConnectionsStay(t *testing.T) {
	c := twoPods(t)
	f := New(configmap.Definition{Name: "kube", Nodes: []configmap.Node{kubeNode("n")}}, connectorOf(c))
	mine, other := "mine", others("mine")
	connect := func(affinity string) *Connection {
		t.Helper()
		connected := 0
		v := f.View(event.Emitter{}, builds(affinity))
		v.OnConnect(func() { connected++ })
		conn, err := v.Connect(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if connected != 1 {
			t.Errorf("told %d times of a connection", connected)
		}
		return conn
	}
	first := connect(mine)
	if again := connect(mine); again != first {
		t.Error("a second build makes a connection of its own")
	}
	second := connect(other)
	if second == first || second.Pod == first.Pod {
		t.Errorf("another build goes to pod %s as well", second.Pod)
	}
	if n := len(dials(c)); n != 2 || c.Open() != 2 {
		t.Errorf("%d dials, %d connections", n, c.Open())
	}

	v := f.View(event.Emitter{}, builds(mine))
	v.Drop(0, first)
	v.Drop(0, first) // by another build that used it
	if c.Open() != 1 {
		t.Errorf("%d connections without the lost one", c.Open())
	}
	if conn, err := v.Connect(t.Context(), 0); err != nil || conn == first {
		t.Errorf("a lost connection is used again, error %v", err)
	}
	f.Close()
	if c.Open() != 0 {
		t.Errorf("%d connections after the end", c.Open())
	}
}

// TestBuildsConnectAtOnce has builds that find no connection yet.
func TestBuildsConnectAtOnce(t *testing.T) {
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	f := New(configmap.Definition{Nodes: []configmap.Node{kubeNode("n")}}, connectorOf(c))
	var running sync.WaitGroup
	for range 4 {
		running.Go(fault.Protect(func() {
			if _, err := f.View(event.Emitter{}, builds("mine")).Connect(t.Context(), 0); err != nil {
				t.Error(err)
			}
		}))
	}
	running.Wait()
	if c.Open() != 1 {
		t.Errorf("%d connections, want one for all", c.Open())
	}
	f.Close()
}

func TestAFailedConnectHasAClass(t *testing.T) {
	for reason, want := range map[kube.Reason]fault.Class{
		kube.ReasonDefinition: fault.ClassUsage,
		kube.ReasonTimeout:    fault.ClassCluster,
		// Nothing was lost, so that nobody waits for the API server.
		kube.ReasonUnreachable: fault.ClassCluster,
	} {
		c := twoPods(t)
		c.Fail = func(string, int) error { return &kube.Error{Reason: reason} }
		f := New(configmap.Definition{Nodes: []configmap.Node{kubeNode("n")}}, connectorOf(c))
		_, err := f.View(event.Emitter{}, nil).Connect(t.Context(), 0)
		// What is pending is looked at afterwards, and no connection tried again.
		tries := slices.DeleteFunc(c.Calls(), func(call string) bool { return call == "drift" })
		if fault.ClassOf(err) != want || len(tries) != 1 {
			t.Errorf("%s: error %v of class %d after %q", reason, err, fault.ClassOf(err), c.Calls())
		}
		f.Close()
	}
}

// TestALostNodeIsWaitedFor has an API server that is away when the connection to
// a pod is lost.
func TestALostNodeIsWaitedFor(t *testing.T) {
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	f := New(configmap.Definition{Nodes: []configmap.Node{kubeNode("n")}}, connectorOf(c))
	defer f.Close()
	v := f.View(event.Emitter{}, nil)
	conn, err := v.Connect(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	v.Drop(0, conn)
	c.Fail = func(call string, n int) error {
		if call == "up" && n == 2 {
			return &kube.Error{Reason: kube.ReasonUnreachable}
		}
		return nil
	}
	if _, err := v.Connect(t.Context(), 0); err != nil {
		t.Errorf("%v after %q", err, c.Calls())
	}
}

// TestAssignAsksOnlyWhereItMust has a node that declares its platforms and one
// that does not.
func TestAssignAsksOnlyWhereItMust(t *testing.T) {
	silent := kubeNode("any")
	declared := kubeNode("amd")
	declared.Platforms = parse(t, "linux/amd64")
	definition := configmap.Definition{Name: "kube", Nodes: []configmap.Node{declared, silent}}
	for _, tt := range []struct {
		want   []ocispecs.Platform
		strict bool
		nodes  []int
		dials  int
		err    string
	}{
		{parse(t, "linux/amd64"), false, []int{0}, 0, ""},
		{parse(t, "linux/amd64", "linux/arm64"), false, []int{0, 1}, 1, ""},
		{parse(t, "linux/s390x"), true, nil, 1, `no node of builder "kube" builds for linux/s390x`},
		// The silent node is the only one that may have an emulator.
		{parse(t, "linux/s390x"), false, []int{1}, 1, ""},
		// Both may take it, and nothing runs for Windows: who reports what is asked
		// once, of the node whose platforms are not known.
		{parse(t, "linux/amd64", "windows/amd64"), false, []int{0}, 1, ""},
		// Both are asked, and neither has an emulator.
		{parse(t, "linux/amd64", "linux/s390x"), false, []int{0}, 2, ""},
	} {
		definition := definition
		if tt.strict {
			definition = definition.WithStrictPlatforms()
		}
		c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{Platforms: []string{"linux/arm64"}}})
		f := New(definition, connectorOf(c))
		jobs, err := f.View(event.Emitter{}, nil).Assign(t.Context(), tt.want)
		var nodes []int
		for _, j := range jobs {
			nodes = append(nodes, j.Node)
		}
		if !slices.Equal(nodes, tt.nodes) || len(dials(c)) != tt.dials {
			t.Errorf("%s: nodes %v after %q", PlatformNames(tt.want), nodes, c.Calls())
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err || fault.ClassOf(err) != fault.ClassUsage) {
			t.Errorf("%s: error %v, want %q", PlatformNames(tt.want), err, tt.err)
		}
		f.Close()
	}
}

func TestWhatTheDefinitionSays(t *testing.T) {
	amd, free := configmap.Node{Name: "amd", Platforms: parse(t, "linux/amd64")}, configmap.Node{Name: "any"}
	strict, open := configmap.Definition{Nodes: []configmap.Node{amd}}.WithStrictPlatforms(), configmap.Definition{Nodes: []configmap.Node{amd, free}}
	wanted := parse(t, "linux/arm64")
	if _, err := Assign(strict, wanted); fault.ClassOf(err) != fault.ClassUsage {
		t.Errorf("assigned by the definition alone: %v", err)
	}
	if jobs, err := Assign(open, parse(t, "linux/amd64")); err != nil || len(jobs) != 1 {
		t.Errorf("jobs %v, error %v", jobs, err)
	}
	var missing *unclaimed
	if err := Claimable(strict, wanted); !errors.As(err, &missing) {
		t.Errorf("a platform that nobody can have: %v", err)
	}
	if err := Claimable(open, wanted); err != nil {
		t.Errorf("a platform that a node may have: %v", err)
	}
	if err := Claimable(configmap.Definition{Nodes: []configmap.Node{amd}}, wanted); err != nil {
		t.Errorf("a platform that no node claims: %v", err)
	}
	if got := PlatformNames(BuildsFor(free, wanted)) + " " + PlatformNames(BuildsFor(amd, wanted)) + " " + PlatformNames(nil); got != "linux/arm64 linux/amd64 nothing known" {
		t.Errorf("they build for %s", got)
	}
}
