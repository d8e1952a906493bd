package builders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Proxy connects a client of BuildKit with a builder.
type Proxy struct {
	Definition configmap.Definition
	// Platform chooses the node that a build for it would get; nil takes the first
	// node.
	Platform *ocispecs.Platform
	Access   cluster.Access
	// Report is told what is waited for, in a line.
	Report func(string)
	Log    zerolog.Logger
}

// Run connects with a buildkitd, starting it where it does not run, and copies
// until either side ends. The end of in ends what is sent; what the daemon still
// answers is copied. A read of in that does not end goes on after Run, which
// cannot end it.
func (p Proxy) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	clients := &fleet.Clients{Access: p.Access, Log: p.Log}
	connector := clients.Connector()
	node, err := p.node(ctx, connector)
	if err != nil {
		return connector.ExplainForbidden(ctx, p.Definition.Nodes, cluster.UseBuild, err)
	}
	conn, err := connector.DialNode(ctx, node, nil, p.Report)
	if err != nil {
		if fault.ClassOf(err) == 0 {
			err = fault.With(fleet.ClassOf(err), err)
		}
		return connector.ExplainForbidden(ctx, []configmap.Node{node}, cluster.UseBuild, err)
	}
	p.Report("connected to node " + node.Name)
	return relay(ctx, conn.Conn, in, out)
}

// node is the one that a build for the platform would get. As for a build, nodes are
// asked, and started for that, only where the definition does not decide.
func (p Proxy) node(ctx context.Context, connector *fleet.Connector) (configmap.Node, error) {
	nodes := p.Definition.Nodes
	if p.Platform == nil || len(nodes) == 1 && !nodes[0].StrictPlatforms {
		return nodes[0], nil
	}
	asked := fleet.New(p.Definition, connector)
	defer asked.Close()
	jobs, err := asked.View(event.Emitter{}, nil).Assign(ctx, []ocispecs.Platform{*p.Platform})
	if err != nil {
		return configmap.Node{}, err
	}
	node := nodes[jobs[0].Node]
	if len(jobs[0].Unclaimed) > 0 {
		p.Report(fmt.Sprintf("no node claims %s: it is node %s that would build for it", fleet.PlatformNames(jobs[0].Unclaimed), node.Name))
	}
	return node, nil
}

// output tells a write that fails from a connection that does.
type output struct {
	to  io.Writer
	err error // of the last write
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (n int, err error) {
	n, o.err = o.to.Write(p)
	return n, o.err
}

// relay copies both ways until the connection ends, and closes it.
func relay(ctx context.Context, conn net.Conn, in io.Reader, out io.Writer) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends the copying
	defer stop()
	defer func() { _ = conn.Close() }()
	sent := make(chan error, 1)
	var inEnded atomic.Bool // after that it is we who end the connection
	go fault.Protect(func() {
		_, err := io.Copy(conn, in)
		inEnded.Store(err == nil)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			err = errors.Join(err, half.CloseWrite())
		} else {
			err = errors.Join(err, conn.Close())
		}
		sent <- err
	})()
	written := &output{to: out}
	_, err := io.Copy(written, conn)
	if ctx.Err() != nil {
		return fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	switch {
	case errors.Is(written.err, syscall.EPIPE), errors.Is(written.err, io.ErrClosedPipe):
		return nil // the client has ended
	case written.err != nil:
		return fault.With(fault.ClassUsage, fmt.Errorf("write to standard output: %w", written.err))
	}
	if err != nil && !inEnded.Load() && !errors.Is(err, net.ErrClosed) {
		return fault.With(fault.ClassLost, fmt.Errorf("read from the builder: %w", err))
	}
	select {
	case err := <-sent:
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return fault.With(fault.ClassLost, fmt.Errorf("write to the builder: %w", err))
		}
	default: // the daemon has ended first
	}
	return nil
}
