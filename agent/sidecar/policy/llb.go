package policy

import (
	"maps"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/proto"
)

// Entitlements, as a daemon and a policy name them.
const (
	entitlementInsecure = "security.insecure"
	entitlementHost     = "network.host"
	entitlementDevice   = "device"
)

// maxOps bounds the operations of a definition.
const maxOps = 100_000

// sourceAttributes are those of each source, by the scheme of its identifier
// (https://github.com/moby/buildkit/blob/v0.34.2/solver/pb/attr.go).
var sourceAttributes = map[string]attributes{
	"docker-image":      {names: []string{pb.AttrImageResolveMode, pb.AttrImageRecordType, pb.AttrImageLayerLimit, pb.AttrImageChecksum}},
	"docker-image+blob": {names: []string{pb.AttrImageResolveMode, pb.AttrImageRecordType, pb.AttrImageLayerLimit, pb.AttrImageChecksum, pb.AttrHTTPFilename, pb.AttrHTTPPerm, pb.AttrHTTPUID, pb.AttrHTTPGID}},
	"git": {names: []string{
		pb.AttrKeepGitDir, pb.AttrFullRemoteURL, pb.AttrAuthHeaderSecret, pb.AttrAuthTokenSecret, pb.AttrKnownSSHHosts, pb.AttrMountSSHSock, pb.AttrGitChecksum,
		pb.AttrGitSkipSubmodules, pb.AttrGitMTime, pb.AttrGitFetchByCommit, pb.AttrGitBundle, pb.AttrGitCheckoutBundle, pb.AttrGitAdvice,
		pb.AttrGitSignatureVerifyPubKey, pb.AttrGitSignatureVerifyRejectExpired, pb.AttrGitSignatureVerifyRequireSignedTag, pb.AttrGitSignatureVerifyIgnoreSignedTag,
	}},
	"http":  httpAttributes,
	"https": httpAttributes,
	"local": {names: []string{
		pb.AttrLocalSessionID, pb.AttrLocalUniqueID, pb.AttrIncludePatterns, pb.AttrFollowPaths, pb.AttrExcludePatterns, pb.AttrSharedKeyHint,
		pb.AttrMetadataTransfer, pb.AttrMetadataTransferExclude, pb.AttrLocalDiffer,
	}},
	"oci-layout": {names: []string{pb.AttrOCILayoutSessionID, pb.AttrOCILayoutStoreID, pb.AttrOCILayoutLayerLimit, pb.AttrImageChecksum, pb.AttrImageRecordType}},
}

var httpAttributes = attributes{
	names: []string{
		pb.AttrHTTPChecksum, pb.AttrHTTPFilename, pb.AttrHTTPPerm, pb.AttrHTTPUID, pb.AttrHTTPGID, pb.AttrHTTPAuthHeaderSecret,
		pb.AttrHTTPSignatureVerifyPubKey, pb.AttrHTTPSignatureVerify,
	},
	prefixes: []string{pb.AttrHTTPHeaderPrefix},
}

// definition checks a definition. One that runs commands is refused unless runs says that
// it may: sources and files alone are no more than what a Dockerfile reads.
func (f *findings) definition(c *Client, what string, d *pb.Definition, b Build, runs bool) {
	if len(d.GetDef()) > maxOps {
		f.refuse("%s has %d operations, at most %d are looked at", what, len(d.GetDef()), maxOps)
		return
	}
	for i, raw := range d.GetDef() {
		op := new(pb.Op)
		if err := proto.Unmarshal(raw, op); err != nil {
			f.refuse("%s: operation %d cannot be read", what, i)
			continue
		}
		f.unknown(op.ProtoReflect(), "")
		switch o := op.Op.(type) {
		case *pb.Op_Exec:
			if !runs {
				f.refuse("%s runs commands: frontend %s is not allowed", what, FrontendLLB)
			}
			f.exec(c, what, o.Exec)
		case *pb.Op_Source:
			f.source(what, o.Source, b)
		case *pb.Op_Build:
			f.refuse("%s has a build in it, which cannot be held against the policy", what)
		case *pb.Op_File, *pb.Op_Merge, *pb.Op_Diff, *pb.Op_Passthrough:
		case nil: // the last one names the result only
			if len(op.Inputs) != 1 && len(d.Def) > 1 {
				f.refuse("%s: operation %d is not known here", what, i)
			}
		default:
			f.refuse("%s: operation %d is not known here", what, i)
		}
	}
}

func (f *findings) exec(c *Client, what string, exec *pb.ExecOp) {
	if exec.GetSecurity() != pb.SecurityMode_SANDBOX {
		f.entitlement(c, entitlementInsecure)
	}
	f.network(c, exec.GetNetwork())
	if len(exec.GetCdiDevices()) > 0 {
		f.entitlement(c, entitlementDevice)
	}
	f.cgroup(c, what, exec.GetMeta())
	for _, m := range exec.GetMounts() {
		f.mount(c, what, m)
	}
}

func (f *findings) network(c *Client, mode pb.NetMode) {
	if mode == pb.NetMode_HOST {
		f.entitlement(c, entitlementHost)
	}
}

// cgroup refuses a control group of the client's choice.
func (f *findings) cgroup(c *Client, what string, meta *pb.Meta) {
	const attribute = "cgroup-parent"
	if meta.GetCgroupParent() != "" && !slices.Contains(c.attributes, attribute) {
		f.refuse("%s: %s is not allowed", what, attribute)
	}
}

// mount refuses cache mounts of other tenants.
func (f *findings) mount(c *Client, what string, m *pb.Mount) {
	if m.GetMountType() == pb.MountType_CACHE && c.Tenant != "" && !strings.HasPrefix(m.GetCacheOpt().GetID(), c.Namespace()+"/") {
		f.refuse("%s: cache mount %s is not of this tenant, whose start with %s/", what, short(m.GetCacheOpt().GetID()), c.Namespace())
	}
}

func (f *findings) source(what string, s *pb.SourceOp, b Build) {
	scheme, _, _ := strings.Cut(s.GetIdentifier(), "://")
	known, ok := sourceAttributes[scheme]
	if !ok {
		f.refuse("%s: source %s is not known here", what, short(s.GetIdentifier()))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(s.GetAttrs())) {
		switch {
		case !known.has(key):
			f.refuse("%s: source %s: attribute %s is not known here", what, scheme, short(key))
		case key == pb.AttrLocalSessionID || key == pb.AttrOCILayoutSessionID:
			f.session(b, s.GetAttrs()[key])
		}
	}
}

// SourceMeta decides on a question for a source. The error is a *Refusal.
func (c *Client) SourceMeta(r *gateway.ResolveSourceMetaRequest, b Build) error {
	var f findings
	f.unknown(r.ProtoReflect(), "")
	if r.Source != nil {
		f.source("the request", r.Source, b)
	}
	return f.err()
}

// ImageConfig decides on a question for an image's configuration. The error is a
// *Refusal.
func (c *Client) ImageConfig(r *gateway.ResolveImageConfigRequest, b Build) error {
	var f findings
	f.unknown(r.ProtoReflect(), "")
	f.session(b, r.SessionID)
	return f.err()
}

// NewContainer decides on a container beside a build. The error is a *Refusal.
func (c *Client) NewContainer(r *gateway.NewContainerRequest) error {
	var f findings
	f.unknown(r.ProtoReflect(), "")
	if !c.Containers {
		f.refuse("containers beside a build are not allowed")
	}
	f.network(c, r.GetNetwork())
	for _, m := range r.GetMounts() {
		f.mount(c, "the container", m)
	}
	return f.err()
}

// Exec decides on a command in a container beside a build: its first message. Later ones
// may begin others; a daemon holds their entitlements against those of the build. The
// error is a *Refusal.
func (c *Client) Exec(r *gateway.ExecMessage) error {
	var f findings
	f.unknown(r.ProtoReflect(), "")
	if !c.Containers {
		f.refuse("commands in containers beside a build are not allowed")
	}
	if begin := r.GetInit(); begin != nil {
		if begin.GetSecurity() != pb.SecurityMode_SANDBOX {
			f.entitlement(c, entitlementInsecure)
		}
		f.cgroup(c, "the command", begin.GetMeta())
	}
	return f.err()
}
