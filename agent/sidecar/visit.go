package sidecar

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client/buildid"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/audit"
	"github.com/slipway-build/slipway/agent/sidecar/metrics"
	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// countUnknown counts a call of a method that BuildKit's clients do not call.
func (s Sidecar) countUnknown(method string) {
	s.Metrics.Refused(metrics.ReasonMethod)
	s.Log.Debug().Str("method", sanitize.Line(method)).Msg("a call that is not passed on")
}

// visit is one connection of a client: what it asks is counted and logged.
type visit struct {
	node   *server
	client peer.Peer
	log    zerolog.Logger

	mu     sync.Mutex
	failed bool // the last dial
	up     fleet.Dialled
}

// underWay are the builds of a node that run, by their references. Clients may lead a build
// over another connection than that of its call, and ask for one with a reference that is
// taken. The zero value has none. It may be used by several goroutines.
type underWay struct {
	mu     sync.Mutex
	builds map[string][]*audit.Build
}

// begin notes a build until end is called, which must be before the build is read.
func (u *underWay) begin(ref string, b *audit.Build) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.builds == nil {
		u.builds = map[string][]*audit.Build{}
	}
	u.builds[ref] = append(u.builds[ref], b)
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		left := slices.DeleteFunc(u.builds[ref], func(other *audit.Build) bool { return other == b })
		if u.builds[ref] = left; len(left) == 0 {
			delete(u.builds, ref)
		}
	}
}

// add notes what a client asks of a frontend for one of the builds.
func (u *underWay) add(ref string, request *gateway.SolveRequest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range u.builds[ref] {
		b.Add(request)
	}
}

// dial makes the connection to buildkitd. It does not run twice at once.
func (v *visit) dial(ctx context.Context, affinity string) (net.Conn, error) {
	n, began := v.node, time.Now()
	if v.failed {
		n.metrics.Redialled()
	}
	key := func() string { return cmp.Or(affinity, n.sidecar.Affinity) }
	up, err := n.sidecar.Connector.DialNode(ctx, n.node, key, func(line string) { v.log.Debug().Msg(line) })
	v.failed = err != nil
	if err != nil {
		n.metrics.DialFailed()
		v.log.Warn().Err(err).Msg("no builder for a client")
		return nil, err
	}
	pod, transport := metrics.PodFavourite, string(up.Transport)
	switch {
	case up.Pod == "":
		pod, transport = metrics.PodNone, "remote"
	case up.Other:
		pod = metrics.PodOther
	}
	n.metrics.Dialled(transport, pod, time.Since(began))
	v.mu.Lock()
	v.up = up
	v.mu.Unlock()
	return n.metrics.Counted(up.Conn, began), nil
}

// passage is a call between the interceptors: what has to know whether it was passed on
// stands around those that may refuse it.
type passage struct {
	passed bool
	// onPass is called when it is passed on; it may be nil.
	onPass func()
}

type passageKey struct{}

// pass is the last interceptor: the call goes to buildkitd.
func (v *visit) pass(ctx context.Context, _ *relay.Call, next relay.Handler) (proto.Message, error) {
	if p, ok := ctx.Value(passageKey{}).(*passage); ok {
		p.passed = true
		if p.onPass != nil {
			p.onPass()
		}
	}
	return next(ctx)
}

// enter is the first interceptor.
func (v *visit) enter(ctx context.Context, call *relay.Call, next relay.Handler) (proto.Message, error) {
	p := &passage{}
	if call.Method == control.Control_Session_FullMethodName {
		defer v.node.metrics.SessionOpened()()
	}
	var answer proto.Message
	var err error
	switch request := call.Request.(type) {
	case *control.SolveRequest:
		answer, err = v.build(ctx, p, request, next)
	case *gateway.SolveRequest:
		v.node.underWay.add(buildid.FromIncomingContext(ctx), request)
		answer, err = next(context.WithValue(ctx, passageKey{}, p))
	default:
		answer, err = next(context.WithValue(ctx, passageKey{}, p))
	}
	if err != nil && !p.passed && status.Code(err) == codes.PermissionDenied {
		v.node.metrics.Refused(metrics.ReasonPolicy)
	}
	return answer, v.explain(err)
}

// explain says which builder was lost: gRPC's own error is "error reading from server:
// EOF", of which a client of the socket cannot know what the server is.
func (v *visit) explain(err error) error {
	said, ok := status.FromError(err)
	if !ok || said.Code() != codes.Unavailable || strings.HasPrefix(said.Message(), api.ErrorPrefix) {
		return err
	}
	v.mu.Lock()
	pod := v.up.Pod
	v.mu.Unlock()
	builder := "node " + v.node.node.Name
	if pod != "" {
		builder = "pod " + pod + " of " + builder
	}
	whole := said.Proto()
	whole.Message = api.ErrorPrefix + "the connection to " + builder + " was lost, connect again for another one: " + said.Message()
	return status.ErrorProto(whole)
}

// build counts a build, and writes its line when it has ended.
func (v *visit) build(ctx context.Context, p *passage, request *control.SolveRequest, next relay.Handler) (proto.Message, error) {
	asked := audit.Of(request) // before anybody changes the request
	end := v.node.underWay.begin(request.GetRef(), asked)
	came := time.Now()
	began := came
	stop := v.node.metrics.Waiting()
	p.onPass = func() {
		stop()
		began = time.Now()
		stop = v.node.metrics.Running()
	}
	answer, err := next(context.WithValue(ctx, passageKey{}, p))
	stop()
	how, took := resultOf(ctx, p.passed, err), time.Since(began)
	if !p.passed {
		began, took = time.Now(), 0
	}
	v.node.metrics.Built(how, took)

	end()
	v.mu.Lock()
	up := v.up
	v.mu.Unlock()
	log := v.log.Info().EmbedObject(asked)
	made, _ := answer.(*control.SolveResponse)
	log = log.Str("audit", "build").Str("result", string(how)).Dur("took", took).Dur("waited", began.Sub(came))
	for _, field := range [][2]string{{"pod", up.Pod}, {"transport", string(up.Transport)}, {"digest", audit.Digest(made)}} {
		if field[1] != "" {
			log = log.Str(field[0], field[1])
		}
	}
	if err != nil {
		log = log.Str("code", status.Code(err).String())
		if how == metrics.ResultRefused {
			// buildkitd's errors are for the client: they repeat what it has run.
			log = log.Str("reason", sanitize.Line(status.Convert(err).Message()))
		}
	}
	log.Msg("build ended")
	return answer, err
}

// resultOf is how a build has ended. ctx is that of the client's call.
func resultOf(ctx context.Context, passed bool, err error) metrics.Result {
	code := status.Code(err)
	switch {
	case err == nil:
		return metrics.ResultOK
	case ctx.Err() != nil || code == codes.Canceled:
		return metrics.ResultCancelled
	case !passed:
		return metrics.ResultRefused
	case code == codes.Unavailable:
		return metrics.ResultLost
	}
	return metrics.ResultFailed
}
