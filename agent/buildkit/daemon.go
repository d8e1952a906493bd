package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// Daemon is a buildkitd that has answered, over exactly one connection.
type Daemon struct {
	client    *client.Client
	conn      *heardConn
	platforms []ocispecs.Platform
	version   string

	// CancelGrace is how long a cancelled solve may take to end on the daemon
	// before Guard closes the connection over it.
	CancelGrace time.Duration
	// MaxSilence is how long the daemon may send nothing during a solve before
	// Guard takes it for lost.
	MaxSilence time.Duration
}

const (
	cancelGrace = 2 * time.Second
	// The daemon checks the session's health every 5 s, so this is several
	// checks missed and the pod is gone. (gRPC's own keepalive cannot be used: buildkitd
	// leaves the server's default, which takes offence at more than a ping in
	// 5 minutes.)
	maxSilence = 45 * time.Second
)

// authorityConn is a connection that knows under which name its other end is
// addressed, for proxies that route by it.
type authorityConn interface{ Authority() string }

// Connect dials once and returns when buildkitd has answered over the
// connection. When the connection breaks later, solves fail; nothing is
// dialled again. The connection is closed with the Daemon.
func Connect(ctx context.Context, dial func(context.Context) (net.Conn, error), options ...ConnectOption) (*Daemon, error) {
	sizeBuffers()
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	heard := newHeardConn(conn)
	opts := []client.ClientOpt{client.WithContextDialer(onceDialer(heard))}
	if named, ok := conn.(authorityConn); ok && named.Authority() != "" {
		opts = append(opts, client.WithGRPCDialOption(grpc.WithAuthority(named.Authority())))
	}
	for _, option := range options {
		opts = append(opts, option...)
	}
	// The address is a name only, "passthrough" keeps gRPC from resolving it.
	c, err := client.New(ctx, "passthrough:///buildkitd", opts...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to buildkitd: %w", err), conn.Close())
	}
	d := &Daemon{client: c, conn: heard, CancelGrace: cancelGrace, MaxSilence: maxSilence}
	if err := d.ask(ctx); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("buildkitd has not answered: %w", context.Cause(ctx))
		}
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// ask learns what the daemon is. Its answer is what makes a connection count.
func (d *Daemon) ask(ctx context.Context) error {
	workers, err := d.client.ListWorkers(ctx)
	if err != nil {
		return fmt.Errorf("ask buildkitd for its workers: %w", err)
	}
	if len(workers) == 0 {
		return errors.New("buildkitd has no worker")
	}
	// The Dockerfile frontend builds on the first worker.
	d.platforms = normalized(workers[0].Platforms)
	d.version = workers[0].BuildkitVersion.Version
	if d.version != "" {
		return nil
	}
	info, err := d.client.Info(ctx)
	if err != nil && grpcerrors.Code(err) != codes.Unimplemented {
		return fmt.Errorf("ask buildkitd for its version: %w", err)
	}
	if err == nil {
		d.version = info.BuildkitVersion.Version
	}
	return nil
}

func normalized(list []ocispecs.Platform) []ocispecs.Platform {
	out := make([]ocispecs.Platform, len(list))
	for i, p := range list {
		out[i] = platforms.Normalize(p)
	}
	return out
}

// Platforms are what the daemon can build, its native one first, emulated
// ones included.
func (d *Daemon) Platforms() []ocispecs.Platform { return slices.Clone(d.platforms) }

// Version is BuildKit's version, for example "v0.33.1"; empty when the daemon
// is too old to tell.
func (d *Daemon) Version() string { return d.version }

// Client is BuildKit's client on the connection, for solves and builds. It
// belongs to the Daemon and is closed with it.
func (d *Daemon) Client() *client.Client { return d.client }

// Close closes the connection; a running solve fails.
func (d *Daemon) Close() error {
	// gRPC closes the connection that it was handed, but not one it never
	// asked for.
	return errors.Join(d.client.Close(), d.conn.Close())
}
