package enforce

import (
	"context"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
)

// observe passes all calls on as they are, and logs what intercept would refuse. It
// holds nothing up: where intercept waits for what makes a call one of its client,
// observe decides once the call has ended.
func (e *enforcer) observe(ctx context.Context, raw *relay.Call, next relay.Handler) (proto.Message, error) {
	c := e.call(ctx, raw)
	say := func(err error) {
		if err != nil {
			log := peer.From(ctx).Log(e.options.Log)
			log.Warn().Str("method", raw.Method).Msgf("would be refused by the policy: %v", err)
		}
	}
	m, known := methods[raw.Method]
	if err := c.known(known); err != nil {
		say(err)
		return next(ctx)
	}
	if m.check != nil {
		say(m.check(c))
	}
	switch raw.Method {
	case control.Control_Session_FullMethodName:
		if done, ok := e.owned.openSession(c.client, c.meta(sessionID)); ok {
			defer done()
		} else {
			say(refusef("the session was opened by another client"))
		}
	case control.Control_Solve_FullMethodName:
		return e.observeSolve(ctx, c, next, say)
	case control.Control_ListenBuildHistory_FullMethodName:
		e.observeHistory(c)
	}
	answer, err := next(ctx)
	var b *build
	switch {
	case raw.Method == control.Control_Status_FullMethodName:
		b = e.owned.build(c.client, request[*control.StatusRequest](c).GetRef())
	case m.gateway != nil:
		if b = e.owned.build(c.client, c.meta(buildID)); b != nil {
			decided, runs := b.decision()
			if !runs {
				decided.Owns = func(id string) bool { return e.owned.ownsSession(c.client, id) }
			}
			say(m.gateway(&call{Call: &relay.Call{Method: raw.Method, Request: proto.Clone(raw.Request)}, e: e, client: c.client, rules: c.rules}, decided))
		}
	default:
		return answer, err
	}
	if b == nil {
		say(errForeign())
	}
	return answer, err
}

// observeSolve decides on a build, and notes whose it is.
func (e *enforcer) observeSolve(ctx context.Context, c *call, next relay.Handler, say func(error)) (proto.Message, error) {
	r := request[*control.SolveRequest](c)
	decided, err := c.rules.Solve(proto.CloneOf(r), func(string) bool { return true })
	say(err)
	client := c.client
	decided.Owns = func(id string) bool { return e.owned.ownsSession(client, id) }
	if b := e.owned.begin(client, r.Ref, decided); b != nil {
		close(b.passed)
		defer b.end()
	} else {
		say(refusef("there is another build with this reference"))
	}
	return next(ctx)
}

// observeHistory notes which contents records of the client's builds name.
func (e *enforcer) observeHistory(c *call) {
	c.Answer = func(m proto.Message) error {
		if record := recordOf(m); e.owned.build(c.client, record.GetRef()) != nil {
			e.owned.name(c.client, record)
		}
		return nil
	}
}
