package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/sidecar/gateway"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Gateway serves the nodes of all builders at one address, to clients with certificates.
type Gateway struct {
	address  string
	listener net.Listener
	clients  *gateway.Gateway
	// strangers bounds the connections of which it is not known yet who they are, or that
	// are refused.
	strangers chan struct{}
	log       zerolog.Logger
}

// maxStrangers is how many connections may shake hands at once. They end within seconds.
const maxStrangers = 512

// NewGateway returns a gateway for the nodes of the definitions, at HOST:PORT. Nothing
// listens before Run.
func NewGateway(address string, files gateway.Files, read func(path string) ([]byte, error), definitions []configmap.Definition, log zerolog.Logger) (*Gateway, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%q: is no address, such as :8443: %w", address, err)
	}
	var names []string
	for _, d := range definitions {
		for _, n := range d.Nodes {
			names = append(names, gateway.ServerName(d.Name, n.Name))
		}
	}
	clients, err := gateway.New(files, names, read, log)
	if err != nil {
		return nil, err
	}
	return &Gateway{address: address, clients: clients, strangers: make(chan struct{}, maxStrangers), log: log}, nil
}

// listen begins to listen.
func (g *Gateway) listen(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", g.address)
	if err != nil {
		return err
	}
	g.listener = listener
	g.log.Info().Str("address", listener.Addr().String()).Msg("serving builders to clients with certificates")
	return nil
}

// serve accepts connections until ctx ends, and leaves them to goroutines in running,
// which serve them until serving ends.
func (g *Gateway) serve(ctx, serving context.Context, nodes []*server, running *sync.WaitGroup) error {
	byName := map[string]*server{}
	for _, n := range nodes {
		byName[gateway.ServerName(n.definition.Name, n.node.Name)] = n
	}
	stop := context.AfterFunc(ctx, func() { _ = g.listener.Close() })
	defer stop()
	err := accept(ctx, g.listener, func(err error, pause time.Duration) {
		if err != nil {
			g.log.Warn().Err(err).Msgf("%s: no connection can be accepted: trying again in %s", g.address, pause)
		}
	}, func(conn net.Conn) {
		select {
		case g.strangers <- struct{}{}:
		default:
			g.log.Warn().Msgf("%s: %d connections are shaking hands: another one is refused", g.address, cap(g.strangers))
			_ = conn.Close()
			return
		}
		running.Go(fault.Protect(func() { g.greet(ctx, serving, conn, byName, running) }))
	})
	if err != nil {
		return fmt.Errorf("%s: accept connections: %w", g.address, err)
	}
	return nil
}

// greet finds out who has connected and what for. ctx ends the waiting for that.
func (g *Gateway) greet(ctx, serving context.Context, conn net.Conn, byName map[string]*server, running *sync.WaitGroup) {
	defer func() { <-g.strangers }()
	log := g.log.With().Str("address", conn.RemoteAddr().String()).Logger()
	client, err := g.clients.Handshake(ctx, conn)
	if err != nil {
		_ = conn.Close()
		if !errors.Is(err, io.EOF) { // as probes of the port end
			log.Debug().Err(err).Msg("the handshake of a client has failed")
		}
		return
	}
	who := client.Peer().Log(log)
	if client.Refused != nil {
		who.Warn().Err(client.Refused).Msg("a client is refused")
		client.Refuse(ctx, client.Refused)
		return
	}
	node := byName[client.Name]
	if !node.take(serving, client, running) {
		who.Warn().Msgf("%d connections to node %s are open: another one is refused", cap(node.slots), node.node.Name)
		client.Refuse(ctx, status.Errorf(codes.Unavailable, "slipway agent: %d connections to node %s are open, and no more are served at a time (--max-connections)", cap(node.slots), node.node.Name))
		return
	}
	who.Info().Str("builder", node.definition.Name).Str("node", node.node.Name).Msg("a client has connected")
}

// withoutSockets are the nodes where there is no directory.
func (s Sidecar) withoutSockets() []*server {
	var nodes []*server
	for _, d := range s.Definitions {
		for _, n := range d.Nodes {
			nodes = append(nodes, s.newServer(d, n))
		}
	}
	return nodes
}
