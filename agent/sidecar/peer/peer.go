// Package peer says who is at the other end of a connection to the sidecar.
package peer

import (
	"context"
	"net"

	"github.com/rs/zerolog"
)

// Peer is the client of a connection. In another container of the pod its PID has a
// meaning only where the pod shares process namespaces.
type Peer struct {
	// Name is that of the client's certificate (NameOf); empty on a unix socket.
	Name string
	// UID, GID and PID are those of a process that has connected to a unix socket.
	UID, GID uint32
	PID      int32
	// Local says that UID, GID and PID are known.
	Local bool
}

// Log returns a logger that names the peer in each line.
func (p Peer) Log(log zerolog.Logger) zerolog.Logger {
	with := log.With()
	if p.Name != "" {
		with = with.Str("client", p.Name)
	}
	if p.Local {
		with = with.Uint32("uid", p.UID).Uint32("gid", p.GID).Int32("pid", p.PID)
	}
	return with.Logger()
}

// Of returns who has connected: who the connection itself says, by its method Peer, else
// whom the kernel knows of a unix socket, else the zero Peer.
func Of(conn net.Conn) Peer {
	if known, ok := conn.(interface{ Peer() Peer }); ok {
		return known.Peer()
	}
	return ofSocket(conn)
}

type key struct{}

// With returns a context of what is done for a peer.
func With(ctx context.Context, p Peer) context.Context { return context.WithValue(ctx, key{}, p) }

// From returns the peer of a context; the zero Peer where there is none.
func From(ctx context.Context) Peer {
	p, _ := ctx.Value(key{}).(Peer)
	return p
}
