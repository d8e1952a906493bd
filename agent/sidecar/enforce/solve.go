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
)

// solve passes a build on when the policy lets it and there is a place for it, and ends
// it when it takes too long.
func solve(ctx context.Context, c *call, next relay.Handler) (proto.Message, error) {
	r := c.Request.(*control.SolveRequest) //nolint:forcetypeassert // of this method
	b := c.e.owned.begin(c.client, r.Ref, policy.Build{})
	if b == nil {
		return nil, refusef("there is another build with this reference")
	}
	defer close(b.ended)
	owns := func(id string) bool {
		return c.e.owned.await(ctx, func() bool { return c.e.owned.ownsSession(c.client, id) })
	}
	var err error
	if b.decided, err = c.rules.Solve(r, owns); err != nil {
		return nil, err
	}
	c.Rewritten = true // the daemon gets what was decided on, as it was read here
	b.ticket, err = c.e.queue.enter(c.client, c.rules.MaxBuilds, c.rules.MaxWaiting)
	if err != nil {
		return nil, status.Errorf(codes.ResourceExhausted, api.PolicyError+"%v: at most %d of this client wait; build again later", err, c.rules.MaxWaiting)
	}
	defer b.ticket.leave()
	close(b.queued)
	select {
	case <-b.ticket.ready:
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	close(b.admitted)
	if c.rules.Timeout == 0 {
		return next(ctx)
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.rules.Timeout, errTimeout)
	defer cancel()
	answer, err := next(limited)
	if err != nil && errors.Is(context.Cause(limited), errTimeout) {
		return nil, status.Errorf(codes.DeadlineExceeded, api.PolicyError+"the build has taken longer than %s, the timeout of the policy", c.rules.Timeout)
	}
	return answer, err
}

var errTimeout = errors.New("the build has taken too long")

// readStatus passes the status of a client's own build on. While the build waits for a
// place, it tells of that.
func readStatus(ctx context.Context, c *call, next relay.Handler) (proto.Message, error) {
	b := c.e.owned.awaitBuild(ctx, c.client, c.Request.(*control.StatusRequest).Ref) //nolint:forcetypeassert // of this method
	if b == nil {
		return nil, errForeign()
	}
	select {
	case <-b.queued:
	case <-b.ended: // it was refused, which its own call says
		return nil, nil //nolint:nilnil // there is nothing to tell
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if admitted, err := c.tellPlace(ctx, b); !admitted || err != nil {
		return nil, err
	}
	return next(ctx)
}

// tellPlace sends a step with the place in the queue until the build has its place; false
// where it does not get one.
func (c *call) tellPlace(ctx context.Context, b *build) (admitted bool, err error) {
	select {
	case <-b.admitted:
		return true, nil
	default:
	}
	before, places, moved := b.ticket.place()
	step := &control.Vertex{
		Digest:  digest.FromString("place " + c.Request.(*control.StatusRequest).Ref).String(), //nolint:forcetypeassert // of this method
		Name:    "[policy] waiting for a place: " + placeText(before, places),
		Started: timestamppb.Now(),
	}
	if err := c.Send(&control.StatusResponse{Vertexes: []*control.Vertex{step}}); err != nil {
		return false, err
	}
	for {
		told := before
		select {
		case <-b.admitted:
			step.Completed = timestamppb.Now()
			return true, c.Send(&control.StatusResponse{Vertexes: []*control.Vertex{step}})
		case <-b.ended:
			select {
			case <-b.admitted: // it got a place, and has ended since
				return true, nil
			default:
				return false, nil
			}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-moved:
		}
		if before, places, moved = b.ticket.place(); before == told {
			continue
		}
		log := &control.VertexLog{Vertex: step.Digest, Timestamp: timestamppb.New(time.Now()), Stream: 1, Msg: []byte(placeText(before, places) + "\n")}
		if err := c.Send(&control.StatusResponse{Logs: []*control.VertexLog{log}}); err != nil {
			return false, err
		}
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
