package enforce

import (
	"context"
	"errors"
	"fmt"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
	"github.com/slipway-build/slipway/internal/fault"
)

// solve passes a build on when the policy lets it and there is a place for it, and ends
// it when it takes too long. A client with a frontend of its own needs the place when it
// first builds something: buildx asks a daemon what it can do in a build that builds
// nothing, and does not wait for that.
func solve(ctx context.Context, c *call, next relay.Handler) (proto.Message, error) {
	r := request[*control.SolveRequest](c)
	b := c.e.owned.begin(c.client, r.Ref, policy.Build{})
	if b == nil {
		return nil, refusef("there is another build with this reference")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer b.end()
	owns := func(id string) bool {
		return c.e.owned.await(ctx, func() bool { return c.e.owned.ownsSession(c.client, id) })
	}
	decided, err := c.rules.Solve(r, owns)
	b.mu.Lock()
	b.decided, b.cancel = decided, cancel
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c.Rewritten = true // the daemon gets what was decided on, as it was read here
	if r.Frontend != "" || r.Definition != nil {
		if err := c.takePlace(ctx, b); err != nil {
			return nil, err
		}
	}
	close(b.passed)
	answer, err := next(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errTimeout) {
		return nil, status.Errorf(codes.DeadlineExceeded, api.PolicyError+"the build has taken longer than %s, the timeout of the policy", c.rules.Timeout)
	}
	return answer, err
}

var errTimeout = errors.New("the build has taken too long")

// takePlace waits for a place for a build, which has it until it ends. The time that it
// may take begins then.
func (c *call) takePlace(ctx context.Context, b *build) error {
	b.mu.Lock()
	if b.ticket == nil {
		if b.over {
			b.mu.Unlock()
			return errEnded()
		}
		t, err := c.e.queue.enter(c.client, c.rules.MaxBuilds, c.rules.MaxWaiting)
		if err != nil {
			b.mu.Unlock()
			return status.Errorf(codes.ResourceExhausted, api.PolicyError+"%v: at most %d of this client wait; build again later", err, c.rules.MaxWaiting)
		}
		b.ticket = t
		close(b.queued)
	}
	b.mu.Unlock()
	select {
	case <-b.ticket.ready:
	case <-b.ended:
		return errEnded()
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel := b.cancel; c.rules.Timeout > 0 && b.timer == nil && cancel != nil {
		b.timer = time.AfterFunc(c.rules.Timeout, func() { cancel(errTimeout) })
	}
	return nil
}

// readStatus passes the status of a client's own build on, and tells of the place in the
// queue while the build waits for one.
func readStatus(ctx context.Context, c *call, next relay.Handler) (proto.Message, error) {
	b := c.e.owned.awaitBuild(ctx, c.client, request[*control.StatusRequest](c).GetRef())
	if b == nil {
		return nil, errForeign()
	}
	telling, stop := context.WithCancel(ctx)
	told := make(chan struct{})
	go fault.Protect(func() {
		defer close(told)
		c.tellPlace(telling, b)
	})()
	defer func() { stop(); <-told }()
	select {
	case <-b.passed:
	case <-b.ended: // it was refused, which its own call says
		return nil, nil //nolint:nilnil // there is nothing to tell
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return next(ctx)
}

// tellPlace sends a step with the place in the queue while the build waits for one. A
// client that does not get it is gone.
func (c *call) tellPlace(ctx context.Context, b *build) {
	select {
	case <-b.queued:
	case <-b.ended:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-b.ticket.ready:
		return
	default:
	}
	before, places, moved := b.ticket.place()
	step := &control.Vertex{
		Digest:  digest.FromString("place " + request[*control.StatusRequest](c).GetRef()).String(),
		Name:    "[policy] waiting for a place: " + placeText(before, places),
		Started: timestamppb.Now(),
	}
	err := c.Send(&control.StatusResponse{Vertexes: []*control.Vertex{step}})
	for err == nil {
		told := before
		select {
		case <-b.ticket.ready:
			step.Completed = timestamppb.Now()
			_ = c.Send(&control.StatusResponse{Vertexes: []*control.Vertex{step}})
			return
		case <-b.ended:
			return
		case <-ctx.Done():
			return
		case <-moved:
		}
		if before, places, moved = b.ticket.place(); before == told {
			continue
		}
		log := &control.VertexLog{Vertex: step.Digest, Timestamp: timestamppb.Now(), Stream: 1, Msg: []byte(placeText(before, places) + "\n")}
		err = c.Send(&control.StatusResponse{Logs: []*control.VertexLog{log}})
	}
}

// placeText says how many builds are before one.
func placeText(before, places int) string {
	builds := "builds"
	if before == 1 {
		builds = "build"
	}
	return fmt.Sprintf("%d %s before this one, %d at a time", before, builds, places)
}
