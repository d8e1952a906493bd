package fleet

import (
	"context"
	"errors"
	"net"
	"net/url"
	"syscall"
	"time"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/configmap"
)

// restartPause is the time between looks for a socket of an agent that is being started
// again. The kubelet needs a second for that, or ten.
const restartPause = 200 * time.Millisecond

// patient returns a dial that waits, as long as its context lasts, where the node's socket
// is one of slipway agent that does not listen at present: it has ended, and is started
// again. Any other dial fails at once.
func (c *Connector) patient(node configmap.Node, dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	socket := agentSocket(node)
	if socket == "" {
		return dial
	}
	return func(ctx context.Context) (net.Conn, error) {
		for waited := false; ; waited = true {
			conn, err := dial(ctx)
			if err == nil || ctx.Err() != nil || !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED) {
				return conn, err
			}
			if !waited {
				c.Log.Info().Str("node", node.Name).Str("socket", socket).Msg("slipway agent does not listen at present: waiting for it")
			}
			if !sleepRestart(ctx) {
				return nil, err // why it was waited for
			}
		}
	}
}

// endingTries is how often an agent is asked that closes connections without an answer,
// which it does while it ends.
const endingTries = 5

// askPatiently asks again where a socket of slipway agent was connected and closed: the
// agent was about to end.
func (c *Connector) askPatiently(ctx context.Context, node configmap.Node, ask func() (*buildkit.Daemon, error)) (*buildkit.Daemon, error) {
	for try := 1; ; try++ {
		daemon, err := ask()
		if err == nil || agentSocket(node) == "" || !buildkit.IsLost(err) || api.IsAnswer(err) || try == endingTries || !sleepRestart(ctx) {
			return daemon, err
		}
	}
}

// sleepRestart waits for restartPause; false when ctx has ended before.
func sleepRestart(ctx context.Context) bool {
	pause := time.NewTimer(restartPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// agentSocket is the path of a node's socket that slipway agent serves, or served; empty
// for any other node.
func agentSocket(node configmap.Node) string {
	u, err := url.Parse(node.Remote.Address)
	if err != nil || u.Scheme != "unix" || !api.Served(u.Path) {
		return ""
	}
	return u.Path
}
