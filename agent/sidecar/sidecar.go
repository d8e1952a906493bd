package sidecar

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/metrics"
	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/remote"
)

// Sidecar serves builders in a directory, over TCP, or both.
type Sidecar struct {
	// Dir is the directory that the containers of the pod share; empty for none, where
	// there is a Gateway.
	Dir string
	// Gateway serves the builders over TCP as well; nil for none.
	Gateway *Gateway
	// Definitions are those of the builders to serve.
	Definitions []configmap.Definition
	// Connector reaches their nodes.
	Connector *fleet.Connector
	// Credentials answer daemons that ask a client for credentials; nil leaves all to
	// the client.
	Credentials *Credentials
	// Hosts says how registries are reached, for clients that speak to them.
	Hosts remote.Hosts
	// Mode is the mode of the sockets: who may connect.
	Mode os.FileMode
	// Affinity chooses among several pods of a node for clients that do not say
	// themselves for what they build; empty for one order for all.
	Affinity string
	// Policy says what clients may ask of builders; nil lets them do all.
	Policy *policy.Policy
	// PolicyDryRun logs what Policy would refuse in place of refusing it.
	PolicyDryRun bool
	// MaxConnections bounds the connections to each socket.
	MaxConnections int
	// Drain is how long builds may go on after ctx has ended.
	Drain time.Duration
	// HTTP is the address, HOST:PORT, on which health and metrics are served as well;
	// empty for none. PProf adds the profiles of the process, which needs a loopback
	// address.
	HTTP  string
	PProf bool
	// Metrics are what is counted; nil makes new ones.
	Metrics *metrics.Metrics
	// Version is that of the program.
	Version string
	Log     zerolog.Logger

	http   net.Listener // of HTTP
	limits *relay.Limits
}

// Run serves until ctx ends, then lets what runs go on for Drain. When a part of it
// fails for good, the rest ends in the same way, and the error is the reason.
func (s Sidecar) Run(ctx context.Context) error {
	if err := s.checkHTTP(); err != nil {
		return fault.With(fault.ClassUsage, err)
	}
	if s.Metrics == nil {
		s.Metrics = metrics.New(s.Version)
	}
	s.limits = relay.NewLimits(maxUnread, maxCalls)
	s.Credentials.onRefusal(func() { s.Metrics.Refused(metrics.ReasonPush) })
	if s.Dir == "" {
		return s.serveAll(ctx, nil, s.withoutSockets())
	}
	lock, err := lockDir(s.Dir)
	if err != nil {
		return fault.With(fault.ClassUsage, err)
	}
	defer func() { _ = lock.Close() }() // which unlocks it
	nodes, err := s.listen()
	if err != nil {
		return fault.With(fault.ClassUsage, err)
	}
	listener, err := listenUnix(api.Socket(s.Dir), s.Mode)
	if err != nil {
		return fault.With(fault.ClassUsage, err)
	}
	s.Log.Info().Str("dir", s.Dir).Int("sockets", len(nodes)).Msg("serving builders")
	err = s.serveAll(ctx, listener, nodes)
	for _, n := range nodes {
		err = errors.Join(err, removeIfThere(n.board.file()), removeSocket(n.path))
	}
	return errors.Join(err, removeSocket(api.Socket(s.Dir)))
}

// serveAll opens the addresses beside the directory, and serves all.
func (s Sidecar) serveAll(ctx context.Context, listener net.Listener, nodes []*server) (err error) {
	if s.Gateway != nil {
		if err := s.Gateway.listen(ctx); err != nil {
			return fault.With(fault.ClassUsage, err)
		}
		defer func() { _ = s.Gateway.listener.Close() }() // unless it was served
	}
	if s.http, err = s.listenHTTP(); err != nil {
		return fault.With(fault.ClassUsage, err)
	}
	if s.http != nil {
		defer func() { _ = s.http.Close() }() // where it was not served
	}
	return s.serve(ctx, listener, nodes)
}

// serve serves the sockets until ctx ends or one of them fails, and then lets what runs
// go on for Drain. The API answers until the end: builds ask it for tokens. Without a
// listener there is none.
func (s Sidecar) serve(ctx context.Context, listener net.Listener, nodes []*server) error {
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	answering, endAnswers := context.WithCancel(context.WithoutCancel(ctx))
	defer endAnswers()
	group, accepting := errgroup.WithContext(ctx)
	var loops, running sync.WaitGroup // that accept connections, and the connections
	accept := func(serve func() error) {
		loops.Add(1)
		group.Go(fault.Guard(func() error {
			defer loops.Done()
			return serve()
		}))
	}
	for _, n := range nodes {
		if n.listener != nil {
			accept(func() error { return n.serve(accepting, serving, &running) })
		}
		group.Go(fault.Guard(func() error { return n.warm(accepting) }))
	}
	if s.Gateway != nil {
		accept(func() error { return s.Gateway.serve(accepting, serving, nodes, &running) })
	}
	if listener != nil {
		group.Go(fault.Guard(func() error { return s.serveAPI(answering, accepting, listener, nodes) }))
	}
	if s.http != nil {
		group.Go(fault.Guard(func() error { return s.serveHTTP(answering, accepting, s.http, nodes) }))
	}
	group.Go(fault.Guard(func() error {
		defer endAnswers()
		<-accepting.Done()
		loops.Wait()
		running.Wait()
		return nil
	}))
	drained := make(chan error, 1)
	go fault.Protect(func() { drained <- group.Wait() })()
	<-accepting.Done()
	s.Log.Info().Msgf("%v: builds may go on for %s", context.Cause(accepting), s.Drain)
	return s.drain(drained, stop)
}

// drain waits for what runs, and ends it when that takes too long.
func (s Sidecar) drain(drained <-chan error, stop context.CancelCauseFunc) error {
	patience := time.NewTimer(s.Drain)
	defer patience.Stop()
	select {
	case err := <-drained:
		return err
	case <-patience.C:
		s.Log.Warn().Msgf("builds have not ended within %s: ending them", s.Drain)
	}
	stop(errDrained)
	return <-drained
}

var errDrained = errors.New("slipway agent is ending")

// server serves one node.
type server struct {
	sidecar    Sidecar
	definition configmap.Definition
	node       configmap.Node
	// path, listener and board are those of the socket; the zero values without a
	// directory.
	path     string
	listener net.Listener
	board    *board
	slots    chan struct{}
	relay    *relay.Relay
	metrics  *metrics.Node
	underWay underWay

	mu  sync.Mutex
	now api.Node
	// refusing is why no connections are accepted at present; nil when they are.
	refusing error
}

// listen makes all sockets and writes the definitions: what is asked of them waits
// for its builder.
func (s Sidecar) listen() ([]*server, error) {
	var all []*server
	fail := func(err error) ([]*server, error) {
		for _, n := range all {
			_ = n.listener.Close() // nothing was served yet
		}
		return nil, err
	}
	for _, d := range s.Definitions {
		sockets := &board{dir: api.DefinitionsDir(s.Dir), instance: instanceOf(d, s.Dir)}
		for _, n := range d.Nodes {
			path := socketPath(s.Dir, d.Name, n.Name)
			listener, err := listenUnix(path, s.Mode)
			if err != nil {
				return fail(err)
			}
			one := s.newServer(d, n)
			one.path, one.listener, one.board, one.now.Socket = path, listener, sockets, path
			all = append(all, one)
		}
		if err := sockets.write(); err != nil {
			return fail(err)
		}
	}
	return all, nil
}

// newServer is what serves a node, without a socket.
func (s Sidecar) newServer(d configmap.Definition, n configmap.Node) *server {
	return &server{
		sidecar: s, definition: d, node: n,
		slots:   make(chan struct{}, s.MaxConnections),
		relay:   &relay.Relay{Services: s.services(), Affinity: api.AffinityMetadata, Interceptors: s.interceptors(), Unknown: s.countUnknown, Limits: s.limits, FirstCall: firstCall},
		metrics: s.Metrics.Of(d.Name, n.Name),
		now:     api.Node{Name: n.Name, Platforms: fleet.FormatPlatforms(n.Platforms)},
	}
}

// The limits of all clients together, in bytes and calls, and how long one may take until
// its first call. 64 builds at once hold a few MiB and make 200 calls.
const (
	maxUnread = 128 << 20
	maxCalls  = 4096
	firstCall = time.Minute
)

// services are what sessions are read for; nil for nothing.
func (s Sidecar) services() func(context.Context) []relay.Service {
	if s.Credentials == nil {
		return nil
	}
	return s.Credentials.services
}

// serve accepts connections until ctx ends, and leaves them to goroutines in running,
// which serve them until serving ends.
func (n *server) serve(ctx, serving context.Context, running *sync.WaitGroup) error {
	stop := context.AfterFunc(ctx, func() { _ = n.listener.Close() })
	defer stop()
	refused, told := 0, time.Time{}
	err := accept(ctx, n.listener, func(err error, pause time.Duration) {
		n.setRefusing(err)
		if err != nil {
			n.log().Warn().Err(err).Msgf("%s: no connection can be accepted: trying again in %s", n.path, pause)
		}
	}, func(conn net.Conn) {
		if !n.take(serving, conn, running) {
			if refused++; time.Since(told) > tellPause { // somebody may connect without end
				n.log().Warn().Msgf("%s: %d connections are open: others are refused, %d until now", n.path, cap(n.slots), refused)
				told = time.Now()
			}
			_ = conn.Close()
		}
	})
	if err != nil {
		return fmt.Errorf("%s: accept connections: %w", n.path, err)
	}
	return nil
}

// take leaves a connection to a goroutine in running, which serves it until serving ends.
// It returns false when so many are open that no other one is served.
func (n *server) take(serving context.Context, conn net.Conn, running *sync.WaitGroup) bool {
	select {
	case n.slots <- struct{}{}:
	default:
		n.metrics.Refused(metrics.ReasonConnections)
		return false
	}
	running.Go(fault.Protect(func() {
		defer func() { <-n.slots }()
		n.serveOne(serving, conn)
	}))
	return true
}

// tellPause is the time between lines about connections that are refused.
const tellPause = 10 * time.Second

// sleep waits for a pause or the end of ctx.
func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// serveOne serves one connection by one pod.
func (n *server) serveOne(ctx context.Context, conn net.Conn) {
	v := &visit{node: n, client: peer.Of(conn)}
	v.log = v.client.Log(*n.log())
	defer n.metrics.Connected()()
	began := time.Now()
	passing := *n.relay
	passing.Interceptors = slices.Concat([]relay.Interceptor{v.enter}, n.relay.Interceptors, []relay.Interceptor{v.pass})
	err := passing.Serve(peer.With(ctx, v.client), conn, v.dial)
	if errors.Is(err, relay.ErrMemory) {
		v.log.Warn().Msgf("a connection was closed: %v", err)
	}
	v.log.Debug().Err(err).Dur("took", time.Since(began)).Msg("connection ended")
}

// warm starts the node, so that it runs before a client asks, and writes down for
// which platforms it builds. What fails is tried again.
func (n *server) warm(ctx context.Context) error {
	backoff := wait.Backoff{Duration: firstPause, Factor: 2, Jitter: 0.2, Cap: longestPause, Steps: math.MaxInt32}
	for {
		made, err := n.sidecar.Connector.Connect(ctx, n.node, func() string { return n.sidecar.Affinity }, func(line string) { n.log().Info().Msg(line) })
		if err == nil {
			err = n.ready(made)
		}
		if err == nil || ctx.Err() != nil {
			return nil
		}
		n.setState(func(now *api.Node) { now.Error = err.Error() })
		n.log().Warn().Err(err).Msg("the node is not ready")
		sleep(ctx, backoff.Step())
	}
}

// The pauses before a node is started again, which 200 agents may do at once.
const (
	firstPause   = 2 * time.Second
	longestPause = time.Minute
)

// ready notes that a buildkitd has answered, once clients can read for which platforms
// it builds.
func (n *server) ready(made *fleet.Connection) error {
	builds := fleet.BuildsFor(n.node, made.Platforms())
	_ = made.Close() // it has answered
	if n.board != nil && len(n.node.Platforms) == 0 {
		if err := n.board.setPlatforms(n.node.Name, builds); err != nil {
			return fmt.Errorf("write the definition: %w", err)
		}
	}
	n.metrics.Ready(true)
	n.setState(func(now *api.Node) {
		now.Ready, now.Error, now.BuildKit, now.Platforms = true, "", made.Version(), fleet.FormatPlatforms(builds)
	})
	n.log().Info().Str("pod", made.Pod).Str("buildkit", made.Version()).Msg("ready")
	return nil
}

func (n *server) log() *zerolog.Logger {
	log := n.sidecar.Log.With().Str("builder", n.definition.Name).Str("node", n.node.Name).Logger()
	return &log
}

// state is the node as the API tells it.
func (n *server) state() api.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now
	if n.refusing != nil {
		now.Ready, now.Error = false, "no connection can be accepted: "+n.refusing.Error()
	}
	return now
}

// setRefusing notes why no connections are accepted; nil says that they are.
func (n *server) setRefusing(why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refusing = why
}

func (n *server) setState(change func(*api.Node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.now)
}

// board is the definition by which clients find the sockets of a builder.
type board struct {
	dir string

	mu       sync.Mutex
	instance configmap.Instance
}

// instanceOf is the definition of the sockets of a builder.
func instanceOf(d configmap.Definition, dir string) configmap.Instance {
	i := configmap.Instance{Name: d.Name, Driver: "remote"}
	for _, n := range d.Nodes {
		i.Nodes = append(i.Nodes, configmap.InstanceNode{Name: n.Name, Endpoint: "unix://" + socketPath(dir, d.Name, n.Name), Platforms: n.Platforms})
	}
	return i
}

func (b *board) setPlatforms(node string, list []ocispecs.Platform) error {
	b.mu.Lock()
	for i := range b.instance.Nodes {
		if b.instance.Nodes[i].Name == node {
			b.instance.Nodes[i].Platforms = list
		}
	}
	b.mu.Unlock()
	return b.write()
}

func (b *board) file() string { return filepath.Join(b.dir, b.instance.Name) }

// write writes the definition whole: clients read it at any time.
func (b *board) write() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, err := b.instance.JSON()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	return writeFile(b.file(), text)
}
