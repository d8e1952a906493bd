package enforce

import (
	"context"
	"maps"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/slipway-build/slipway/agent/sidecar/policy"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
)

// method is one that clients may call.
type method struct {
	// check refuses a call by its request alone; nil for nothing.
	check func(c *call) error
	// handle passes a call on that check lets through; nil for nothing to do.
	handle func(ctx context.Context, c *call, next relay.Handler) (proto.Message, error)
	// gateway decides on a request of a client's own frontend, for its build.
	gateway func(c *call, b policy.Build) error
}

// allowed is a method without a rule: it tells nothing of others and changes nothing.
var allowed = method{}

// never is a method for those who run the builder.
var never = method{check: func(c *call) error { return refusef("%s is for those who run the builder", c.Method) }}

// methods are all that are known here. Another one is refused.
var methods = withGateway(map[string]method{
	control.Control_Solve_FullMethodName:                          {check: checkReference, handle: solve},
	control.Control_Status_FullMethodName:                         {handle: readStatus},
	control.Control_Session_FullMethodName:                        {handle: openSession},
	control.Control_DiskUsage_FullMethodName:                      never,
	control.Control_Prune_FullMethodName:                          never,
	control.Control_ListWorkers_FullMethodName:                    allowed,
	control.Control_Info_FullMethodName:                           allowed,
	control.Control_ListenBuildHistory_FullMethodName:             {check: checkHistory, handle: readHistory},
	control.Control_UpdateBuildHistory_FullMethodName:             {check: checkUpdate},
	relay.ContentInfo:                                             {check: checkContent},
	relay.ContentRead:                                             {check: checkContent},
	"/grpc.health.v1.Health/Check":                                allowed,
	"/opentelemetry.proto.collector.trace.v1.TraceService/Export": allowed,
	"/moby.buildkit.v1.apicaps.Caps/List":                         allowed,
})

// ofBuild is a request that concerns the client's own build only.
func ofBuild(*call, policy.Build) error { return nil }

// inContainer is a request that concerns containers beside a build.
func inContainer(c *call, _ policy.Build) error {
	if !c.rules.Containers {
		return refusef("containers beside a build are not allowed")
	}
	return nil
}

// gatewayMethods are those by which a client's own frontend builds.
var gatewayMethods = map[string]func(c *call, b policy.Build) error{
	gateway.LLBBridge_Solve_FullMethodName: func(c *call, b policy.Build) error {
		c.Rewritten = true
		return c.rules.GatewaySolve(request[*gateway.SolveRequest](c), b)
	},
	gateway.LLBBridge_ResolveImageConfig_FullMethodName: func(c *call, b policy.Build) error {
		return c.rules.ImageConfig(request[*gateway.ResolveImageConfigRequest](c), b)
	},
	gateway.LLBBridge_ResolveSourceMeta_FullMethodName: func(c *call, b policy.Build) error {
		return c.rules.SourceMeta(request[*gateway.ResolveSourceMetaRequest](c), b)
	},
	gateway.LLBBridge_NewContainer_FullMethodName: func(c *call, _ policy.Build) error {
		return c.rules.NewContainer(request[*gateway.NewContainerRequest](c))
	},
	gateway.LLBBridge_ExecProcess_FullMethodName: func(c *call, _ policy.Build) error {
		return c.rules.Exec(request[*gateway.ExecMessage](c))
	},
	gateway.LLBBridge_ReleaseContainer_FullMethodName:  inContainer,
	gateway.LLBBridge_ReadFileContainer_FullMethodName: inContainer,
	gateway.LLBBridge_ReadDirContainer_FullMethodName:  inContainer,
	gateway.LLBBridge_StatFileContainer_FullMethodName: inContainer,
	gateway.LLBBridge_ReadFile_FullMethodName:          ofBuild,
	gateway.LLBBridge_ReadDir_FullMethodName:           ofBuild,
	gateway.LLBBridge_StatFile_FullMethodName:          ofBuild,
	gateway.LLBBridge_Evaluate_FullMethodName:          ofBuild,
	gateway.LLBBridge_Ping_FullMethodName:              ofBuild,
	gateway.LLBBridge_Return_FullMethodName:            ofBuild,
	gateway.LLBBridge_Inputs_FullMethodName:            ofBuild,
	gateway.LLBBridge_Warn_FullMethodName:              ofBuild,
}

func withGateway(all map[string]method) map[string]method {
	for name, decide := range gatewayMethods {
		all[name] = method{handle: inBuild, gateway: decide}
	}
	return maps.Clone(all)
}

// buildID is the metadata with the reference of the build of a gateway's call
// (https://github.com/moby/buildkit/blob/v0.34.2/client/buildid/metadata.go).
const buildID = "buildkit-controlapi-buildid"

// inBuild passes on a call that is about a build of the client. It waits until the build
// is passed on: the daemon waits for a build for seconds only.
func inBuild(ctx context.Context, c *call, next relay.Handler) (proto.Message, error) {
	b := c.e.owned.awaitBuild(ctx, c.client, c.meta(buildID))
	if b == nil {
		return nil, errForeign()
	}
	select {
	case <-b.passed:
	case <-b.ended:
		return nil, errEnded()
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	decided, runs := b.decision()
	if !runs {
		return nil, errEnded()
	}
	if err := gatewayMethods[c.Method](c, decided); err != nil {
		return nil, err
	}
	if c.Method == gateway.LLBBridge_Solve_FullMethodName || c.Method == gateway.LLBBridge_NewContainer_FullMethodName {
		if err := c.takePlace(ctx, b); err != nil {
			return nil, err
		}
	}
	return next(ctx)
}

func errEnded() error { return refusef("the build has ended, or was refused") }

// errForeign refuses what concerns a build of another client.
func errForeign() error { return refusef("the build was not begun by this client") }

// checkReference refuses builds whose reference is too long to remember.
func checkReference(c *call) error {
	if n := len(request[*control.SolveRequest](c).GetRef()); n > maxReference {
		return refusef("the reference of the build has %d bytes, more than %d", n, maxReference)
	}
	return nil
}

// openSession notes whose a session is while it is open.
func openSession(ctx context.Context, c *call, next relay.Handler) (proto.Message, error) {
	id := c.meta(sessionID)
	if id == "" {
		return nil, refusef("the session has no identifier, or several")
	}
	done, ok := c.e.owned.openSession(c.client, id)
	if !ok {
		return nil, refusef("the session was opened by another client")
	}
	defer done()
	return next(ctx)
}

// checkHistory lets clients read the records of their own builds, each by its reference.
func checkHistory(c *call) error {
	ref := request[*control.BuildHistoryRequest](c).GetRef()
	switch {
	case ref == "":
		return refusef("the history of all builds is for those who run the builder: ask for one build by its reference")
	case !c.e.owned.ownsRecord(c.client, ref):
		return errForeign()
	}
	return nil
}

// readHistory passes records on, and notes which contents they name.
func readHistory(ctx context.Context, c *call, next relay.Handler) (proto.Message, error) {
	ref := request[*control.BuildHistoryRequest](c).GetRef()
	c.Answer = func(m proto.Message) error {
		record := recordOf(m)
		if record.GetRef() != ref && record != nil {
			return errForeign()
		}
		c.e.owned.name(c.client, record)
		return nil
	}
	return next(ctx)
}

// recordOf is the record of an event of the history; nil for none.
func recordOf(m proto.Message) *control.BuildHistoryRecord {
	event, _ := m.(*control.BuildHistoryEvent)
	return event.GetRecord()
}

// checkUpdate lets clients complete the records of their own builds. They neither keep
// nor delete one: the history is of those who run the builder.
func checkUpdate(c *call) error {
	r := request[*control.UpdateBuildHistoryRequest](c)
	switch {
	case r.Delete:
		return refusef("records of the history are not deleted by clients")
	case !r.Finalize:
		return refusef("records of the history are not changed by clients")
	case !c.e.owned.ownsRecord(c.client, r.Ref):
		return errForeign()
	}
	return nil
}

// checkContent lets clients read contents that records of their own builds name.
func checkContent(c *call) error {
	digest, ok := contentDigest(request[*emptypb.Empty](c).ProtoReflect().GetUnknown())
	switch {
	case !ok:
		return refusef("the request cannot be read")
	case !c.e.owned.mayRead(c.client, digest):
		return refusef("content %.100q is not of a build of this client", digest)
	}
	return nil
}

// contentDigest reads the digest that a request of containerd's content service names,
// its first field; the others are numbers
// (https://github.com/containerd/containerd/blob/api/v1.12.0/api/services/content/v1/content.proto).
func contentDigest(raw []byte) (digest string, ok bool) {
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return "", false
		}
		raw = raw[n:]
		if number == 1 && kind == protowire.BytesType {
			value, n := protowire.ConsumeString(raw)
			if n < 0 {
				return "", false
			}
			digest, raw = value, raw[n:]
			continue
		}
		n = protowire.ConsumeFieldValue(number, kind, raw)
		if n < 0 || kind != protowire.VarintType || number > 3 {
			return "", false
		}
		raw = raw[n:]
	}
	return digest, digest != ""
}
