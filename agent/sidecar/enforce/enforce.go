package enforce

import (
	"context"
	"errors"
	"fmt"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
)

// Options say how a policy is enforced.
type Options struct {
	// DryRun logs what would be refused, and changes and refuses nothing.
	DryRun bool
	Log    zerolog.Logger
}

// New returns an interceptor that enforces a policy at one node. Builds are queued and
// owned by node.
func New(p *policy.Policy, o Options) relay.Interceptor {
	return newEnforcer(p, o).interceptor()
}

type enforcer struct {
	policy  *policy.Policy
	options Options
	owned   *owned
	queue   *queue
}

func newEnforcer(p *policy.Policy, o Options) *enforcer {
	return &enforcer{policy: p, options: o, owned: newOwned(), queue: newQueue(p.MaxBuilds)}
}

func (e *enforcer) interceptor() relay.Interceptor {
	if e.options.DryRun {
		return e.observe
	}
	return e.intercept
}

// call is one of a client.
type call struct {
	*relay.Call
	e      *enforcer
	client string // as the policy has it
	rules  *policy.Client
}

// Metadata of a session (https://github.com/moby/buildkit/blob/v0.34.2/session/session.go).
const (
	sessionID        = "x-docker-expose-session-uuid"
	sessionSharedKey = "x-docker-expose-session-sharedkey"
)

// intercept enforces the policy.
func (e *enforcer) intercept(ctx context.Context, raw *relay.Call, next relay.Handler) (proto.Message, error) {
	c := e.call(ctx, raw)
	ctx = c.bound(ctx)
	m, known := methods[raw.Method]
	err := c.known(known)
	if err == nil && m.check != nil {
		err = m.check(c)
	}
	var answer proto.Message
	switch {
	case err != nil:
	case m.handle != nil:
		answer, err = m.handle(ctx, c, next)
	default:
		return next(ctx)
	}
	if refusal := (*policy.Refusal)(nil); errors.As(err, &refusal) {
		log := peer.From(ctx).Log(e.options.Log)
		log.Warn().Str("method", raw.Method).Msgf("refused by the policy: %v", err)
		return nil, status.Error(codes.PermissionDenied, api.PolicyError+err.Error())
	}
	return answer, err
}

func (e *enforcer) call(ctx context.Context, raw *relay.Call) *call {
	client := peer.From(ctx).Name
	return &call{Call: raw, e: e, client: client, rules: e.policy.For(client)}
}

// request is the request of a call, whose method has this type of it.
func request[M proto.Message](c *call) M {
	m, _ := c.Request.(M)
	return m
}

// known refuses methods and fields that are not known here.
func (c *call) known(method bool) error {
	switch {
	case !method:
		return refusef("%s is not known here", c.Method)
	case c.Request == nil || c.Method == relay.ContentInfo || c.Method == relay.ContentRead:
		return nil // it is not read, or has unknown fields only
	}
	return policy.Known(c.Request)
}

// meta is the metadata of the call by its name; empty where there is none, or several.
func (c *call) meta(name string) string {
	if values := c.Metadata.Get(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// bound is the context of a call whose metadata is bound to the tenant.
func (c *call) bound(ctx context.Context) context.Context {
	if c.rules.Tenant == "" {
		return ctx
	}
	md := c.Metadata.Copy()
	if key := strings.Join(md.Get(api.AffinityMetadata), ","); key != "" {
		md.Set(api.AffinityMetadata, c.rules.Affinity(key))
	}
	if c.Method == control.Control_Session_FullMethodName {
		key := ""
		if given := md.Get(sessionSharedKey); len(given) > 0 {
			key = given[0] // as the daemon takes it
		}
		md.Set(sessionSharedKey, c.rules.SharedKey(key))
	}
	return metadata.NewIncomingContext(ctx, md)
}

// refusef is the refusal of a request for one reason.
func refusef(format string, args ...any) error {
	return &policy.Refusal{Problems: []string{fmt.Sprintf(format, args...)}}
}
