package fleet

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
)

// TestEveryPodBoundsTheAnswer has one builder that takes connections and says
// nothing, and one with which more is done than it may take to answer.
func TestEveryPodBoundsTheAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mute.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const within = 500 * time.Millisecond
	c := &Connector{AnswerWithin: within, Log: zerolog.Nop()}
	nodes := []configmap.Node{
		{Name: "mute", Remote: &configmap.Remote{Address: "unix://" + path, Timeout: 5 * time.Second}},
		{Name: "far", Remote: &configmap.Remote{Address: (&fleettest.Daemon{}).Listen(t), Timeout: time.Minute}},
	}
	done := ""
	began := time.Now()
	err = c.EveryPod(t.Context(), nodes, func(configmap.Node) {}, func(ctx context.Context, node configmap.Node, _ string, d *buildkit.Daemon) error {
		work := time.NewTimer(2 * within)
		defer work.Stop()
		select {
		case <-work.C:
		case <-ctx.Done():
		}
		_, err := d.Active(ctx)
		done += node.Name
		return err
	})
	if took := time.Since(began); err == nil || took > 4*time.Second {
		t.Errorf("after %s: error %v", took, err)
	}
	if done != "far" {
		t.Errorf("done with %q, error %v", done, err)
	}
}
