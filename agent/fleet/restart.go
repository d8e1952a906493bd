package fleet

import (
	"context"
	"errors"
	"net"
	"net/url"
	"syscall"
	"time"

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
	u, err := url.Parse(node.Remote.Address)
	if err != nil || u.Scheme != "unix" || !api.Served(u.Path) {
		return dial
	}
	return func(ctx context.Context) (net.Conn, error) {
		for waited := false; ; waited = true {
			conn, err := dial(ctx)
			if err == nil || ctx.Err() != nil || !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED) {
				return conn, err
			}
			if !waited {
				c.Log.Info().Str("node", node.Name).Str("socket", u.Path).Msg("slipway agent does not listen at present: waiting for it")
			}
			pause := time.NewTimer(restartPause)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return nil, err // why it was waited for
			}
		}
	}
}
