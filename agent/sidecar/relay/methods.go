package relay

import (
	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// method is a method of buildkitd that clients call.
type method struct {
	// request makes an empty message for the first one of a call; nil where there is
	// nothing to check.
	request func() proto.Message
	// answer makes an empty message for the last one of the daemon; nil where it is not
	// read.
	answer func() proto.Message
	// session is the call that a client's session runs in.
	session bool
}

// Methods of containerd's content service, which have no types here: what a client asks
// for is in the unknown fields of an empty message.
const (
	ContentInfo = "/containerd.services.content.v1.Content/Info"
	ContentRead = "/containerd.services.content.v1.Content/Read"
)

// methods are all that BuildKit's clients call: another one is not passed on. The
// names are those of buildkitd's services
// (https://github.com/moby/buildkit/blob/v0.34.2/control/control.go, Register).
var methods = map[string]method{
	control.Control_Solve_FullMethodName:              {request: func() proto.Message { return new(control.SolveRequest) }, answer: func() proto.Message { return new(control.SolveResponse) }},
	control.Control_Status_FullMethodName:             {request: func() proto.Message { return new(control.StatusRequest) }},
	control.Control_Session_FullMethodName:            {session: true},
	control.Control_DiskUsage_FullMethodName:          {request: func() proto.Message { return new(control.DiskUsageRequest) }},
	control.Control_Prune_FullMethodName:              {request: func() proto.Message { return new(control.PruneRequest) }},
	control.Control_ListWorkers_FullMethodName:        {request: func() proto.Message { return new(control.ListWorkersRequest) }},
	control.Control_Info_FullMethodName:               {request: func() proto.Message { return new(control.InfoRequest) }},
	control.Control_ListenBuildHistory_FullMethodName: {request: func() proto.Message { return new(control.BuildHistoryRequest) }, answer: func() proto.Message { return new(control.BuildHistoryEvent) }},
	control.Control_UpdateBuildHistory_FullMethodName: {request: func() proto.Message { return new(control.UpdateBuildHistoryRequest) }},

	gateway.LLBBridge_ResolveImageConfig_FullMethodName: {request: func() proto.Message { return new(gateway.ResolveImageConfigRequest) }},
	gateway.LLBBridge_ResolveSourceMeta_FullMethodName:  {request: func() proto.Message { return new(gateway.ResolveSourceMetaRequest) }},
	gateway.LLBBridge_Solve_FullMethodName:              {request: func() proto.Message { return new(gateway.SolveRequest) }},
	gateway.LLBBridge_ReadFile_FullMethodName:           {request: func() proto.Message { return new(gateway.ReadFileRequest) }},
	gateway.LLBBridge_ReadDir_FullMethodName:            {request: func() proto.Message { return new(gateway.ReadDirRequest) }},
	gateway.LLBBridge_StatFile_FullMethodName:           {request: func() proto.Message { return new(gateway.StatFileRequest) }},
	gateway.LLBBridge_Evaluate_FullMethodName:           {request: func() proto.Message { return new(gateway.EvaluateRequest) }},
	gateway.LLBBridge_Ping_FullMethodName:               {request: func() proto.Message { return new(gateway.PingRequest) }},
	gateway.LLBBridge_Return_FullMethodName:             {request: func() proto.Message { return new(gateway.ReturnRequest) }},
	gateway.LLBBridge_Inputs_FullMethodName:             {request: func() proto.Message { return new(gateway.InputsRequest) }},
	gateway.LLBBridge_NewContainer_FullMethodName:       {request: func() proto.Message { return new(gateway.NewContainerRequest) }},
	gateway.LLBBridge_ReleaseContainer_FullMethodName:   {request: func() proto.Message { return new(gateway.ReleaseContainerRequest) }},
	gateway.LLBBridge_ExecProcess_FullMethodName:        {request: func() proto.Message { return new(gateway.ExecMessage) }},
	gateway.LLBBridge_ReadFileContainer_FullMethodName:  {request: func() proto.Message { return new(gateway.ReadFileRequest) }},
	gateway.LLBBridge_ReadDirContainer_FullMethodName:   {request: func() proto.Message { return new(gateway.ReadDirRequest) }},
	gateway.LLBBridge_StatFileContainer_FullMethodName:  {request: func() proto.Message { return new(gateway.StatFileRequest) }},
	gateway.LLBBridge_Warn_FullMethodName:               {request: func() proto.Message { return new(gateway.WarnRequest) }},

	ContentInfo:                    {request: func() proto.Message { return new(emptypb.Empty) }},
	ContentRead:                    {request: func() proto.Message { return new(emptypb.Empty) }},
	"/grpc.health.v1.Health/Check": {},
	"/opentelemetry.proto.collector.trace.v1.TraceService/Export": {},
	"/moby.buildkit.v1.apicaps.Caps/List":                         {},
}
