package agent

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// workOn is a build under way on one node.
func workOn(t *testing.T, c *fleettest.Cluster, shown io.Writer) (*work, func()) {
	t.Helper()
	definition := configmap.Definition{Name: "kube", Nodes: []configmap.Node{{Name: "n", Kubernetes: &configmap.Kubernetes{}}}}
	nodes := fleet.New(definition, &fleet.Connector{Client: func(configmap.Node) (fleet.Cluster, error) { return c, nil }, Log: zerolog.Nop()})
	display, err := progress.Open(t.Context(), progress.NewTerminal(shown, nil), progress.Plain, "test")
	if err != nil {
		t.Fatal(err)
	}
	stream := event.NewStream()
	sub := stream.Subscribe("display", display)
	end := func() {
		nodes.Close()
		if err := sub.End(); err != nil {
			t.Error(err)
		}
	}
	return &work{Build: Build{Fleet: nodes}, events: stream.Emitter(), nodes: nodes.View(stream.Emitter(), nil)}, end
}

func TestTryJob(t *testing.T) {
	lost := io.ErrUnexpectedEOF // as a connection that breaks ends
	usage := &fault.Usage{Flag: "--x", Problem: "is wrong"}
	other := errors.New("a fault")
	for _, tt := range []struct {
		name  string
		ends  []error // of the solves
		fail  map[string]error
		err   string
		class fault.Class
		calls []string
		open  int // connections that stay for the next build
		says  string
		hint  string // the first
	}{
		{name: "succeeds", ends: []error{nil}, calls: []string{"up", "dial a"}, open: 1},
		{name: "is solved again", ends: []error{lost, nil}, calls: []string{"up", "dial a", "up", "dial a"}, open: 1, says: "pod a: unexpected EOF; solving again (2 of 3)"},
		{
			name: "is lost too often", ends: []error{lost, lost, lost}, err: "pod a: lost: unexpected EOF", class: fault.ClassLost,
			calls: []string{"up", "dial a", "up", "dial a", "up", "dial a"}, says: "solving again (3 of 3)",
		},
		{name: "is lost with its outputs", ends: []error{&afterSolve{lost}}, err: "pod a: lost: unexpected EOF", class: fault.ClassLost, calls: []string{"up", "dial a"}},
		{name: "is the user's", ends: []error{usage}, err: "--x: is wrong", class: fault.ClassUsage, calls: []string{"up", "dial a"}, open: 1},
		{name: "is nobody's", ends: []error{other}, err: "a fault", calls: []string{"up", "dial a"}, open: 1},
		{
			name: "is one that changes of the definition explain", ends: []error{&fault.BuilderFull{Err: other}}, err: "a fault", class: fault.ClassCluster, calls: []string{"up", "dial a", "drift"}, open: 1,
			hint: "the definition of node n has changes that its running pods do not have: configmap n-config[buildkitd.toml]: ",
		},
		{name: "cannot connect", fail: map[string]error{"up": other}, err: "node n: a fault", class: fault.ClassCluster, calls: []string{"up"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
			c.Fail = func(call string, _ int) error { return tt.fail[call] }
			c.Lines = []string{"configmap n-config[buildkitd.toml]: other content than in the definition"}
			var shown strings.Builder
			w, end := workOn(t, c, &shown)
			tries := 0
			err := w.tryJob(t.Context(), 0, func(conn *fleet.Connection) error {
				tries++
				if conn.Version() == "" {
					t.Error("it has no connection")
				}
				return tt.ends[tries-1]
			})
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) || fault.ClassOf(err) != tt.class {
				t.Errorf("error %v of class %d, want %q", err, fault.ClassOf(err), tt.err)
			}
			if hints := fault.Hints(err); tt.hint != "" && (len(hints) < 2 || !strings.HasPrefix(hints[0], tt.hint)) {
				t.Errorf("hints %q", hints)
			}
			if tries != len(tt.ends) {
				t.Errorf("%d tries, want %d", tries, len(tt.ends))
			}
			if diff := cmp.Diff(tt.calls, c.Calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if c.Open() != tt.open {
				t.Errorf("%d connections stay, want %d", c.Open(), tt.open)
			}
			end()
			if c.Open() != 0 {
				t.Errorf("%d connections are not closed", c.Open())
			}
			if !strings.Contains(shown.String(), tt.says) {
				t.Errorf("it shows:\n%s\nand not %q", shown.String(), tt.says)
			}
		})
	}
}

// TestACancelledJobIsNotTriedAgain has a builder that goes with the command.
func TestACancelledJobIsNotTriedAgain(t *testing.T) {
	c := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
	w, end := workOn(t, c, io.Discard)
	defer end()
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := w.tryJob(ctx, 0, func(*fleet.Connection) error {
		tries++
		cancel()
		return io.ErrUnexpectedEOF
	})
	if err == nil || tries != 1 {
		t.Errorf("error %v after %d tries", err, tries)
	}
}
