package policy

import (
	"strings"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	sourcepolicy "github.com/moby/buildkit/sourcepolicy/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// usual is a policy as teams have it.
const usual = `
tenant: gitlab.example/team/app
syntaxImages: ["docker.io/docker/dockerfile:1*"]
push: ["r.example/team/**"]
cacheExports: {refs: ["r.example/team/**"]}
cacheImports: {types: [inline, registry, local], refs: ["r.example/**"]}
attestations: [provenance]
buildArgs: {max: 3, bytes: 100, denied: [HTTPS_PROXY]}
`

type attrs = map[string]string

// def is a definition of operations.
func def(ops ...*pb.Op) *pb.Definition {
	d := &pb.Definition{}
	for _, op := range ops {
		raw, err := proto.Marshal(op)
		if err != nil {
			panic(err)
		}
		d.Def = append(d.Def, raw)
	}
	return d
}

func source(id string, a attrs) *pb.Op {
	return &pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: id, Attrs: a}}}
}

func run(e *pb.ExecOp) *pb.Op {
	if e.Meta == nil {
		e.Meta = &pb.Meta{Args: []string{"true"}}
	}
	return &pb.Op{Op: &pb.Op_Exec{Exec: e}}
}

// withUnknown is a message with a field that is not known here.
func withUnknown[M proto.Message](m M) M {
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	return m
}

func image(a attrs) []*control.Exporter { return []*control.Exporter{{Type: "image", Attrs: a}} }

// TestSolve tests which builds a usual policy lets through, and why it refuses others.
func TestSolve(t *testing.T) {
	provenance := attrs{"attest:provenance": "mode=min"}
	for name, c := range map[string]struct {
		request *control.SolveRequest
		policy  string // more of it
		want    string // of the refusal; empty for none
	}{
		"a build":               {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"filename": "Dockerfile", "build-arg:A": "b", "label:x": "y", "context:a": "docker-image://alpine", "local-sessionid:a": "own"}}},
		"a client's frontend":   {request: &control.SolveRequest{}},
		"its push":              {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/team/app:1,r.example/team/app:2", "push": "true", "oci-mediatypes": "true", "annotation[linux/amd64].a": "b"}), FrontendAttrs: provenance}},
		"files":                 {request: &control.SolveRequest{Exporters: []*control.Exporter{{Type: "local", Attrs: attrs{"platform-split": "true"}}, {Type: "tar"}}}},
		"no reference":          {request: &control.SolveRequest{Ref: "-"}, want: "the build has no reference"},
		"own session":           {request: &control.SolveRequest{Session: "own"}},
		"foreign session":       {request: &control.SolveRequest{Session: "foreign"}, want: `session "foreign" was not opened by this client`},
		"foreign source policy": {request: &control.SolveRequest{SourcePolicySession: "foreign"}, want: `session "foreign" was not opened by this client`},
		"foreign local":         {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"local-sessionid:context": "foreign"}}, want: `session "foreign"`},

		"insecure":        {request: &control.SolveRequest{Entitlements: []string{"security.insecure"}}, want: `entitlement "security.insecure" is not allowed`},
		"device":          {request: &control.SolveRequest{Entitlements: []string{"device=vendor.example/gpu=all"}}, want: `entitlement "device=vendor.example/gpu=all" is not allowed`},
		"device, allowed": {request: &control.SolveRequest{Entitlements: []string{"device=vendor.example/gpu=all"}}, policy: "entitlements: [device]"},
		"network":         {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"force-network-mode": "host"}}, want: `entitlement "network.host" is not allowed`},
		"no network":      {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"force-network-mode": "none"}}},

		"other frontend":         {request: &control.SolveRequest{Frontend: "other.v0"}, want: `frontend "other.v0" is not allowed`},
		"llb as a frontend":      {request: &control.SolveRequest{Frontend: "llb"}, policy: "frontends: [llb]", want: `frontend "llb" is not allowed`},
		"frontend image":         {request: &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": "docker/dockerfile:1.12"}}},
		"other image":            {request: &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": "evil.example/f"}}, want: `frontend image "evil.example/f" is not among syntaxImages`},
		"no image":               {request: &control.SolveRequest{Frontend: "gateway.v0"}, want: `frontend image "" is not the name of an image`},
		"syntax":                 {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"build-arg:BUILDKIT_SYNTAX": "docker/dockerfile:1 x"}}},
		"other syntax":           {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"build-arg:BUILDKIT_SYNTAX": " evil/f "}}, want: `frontend image "docker.io/evil/f" is not among syntaxImages`},
		"image in a context":     {request: &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": "docker/dockerfile:1", "context:docker/dockerfile:1::linux/amd64": "docker-image://evil/f"}}, want: `"context:docker/dockerfile:1::linux/amd64" replaces the frontend image`},
		"image in a policy":      {request: &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": "docker/dockerfile:1"}, SourcePolicy: &sourcepolicy.Policy{Rules: []*sourcepolicy.Rule{{Action: sourcepolicy.PolicyAction_CONVERT}}}}, want: "a source policy could replace it"},
		"image in a callback":    {request: &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": "docker/dockerfile:1"}, SourcePolicySession: "own"}, want: "a source policy could replace it"},
		"a policy":               {request: &control.SolveRequest{Frontend: "dockerfile.v0", SourcePolicySession: "own"}},
		"source for dockerfile":  {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"source": "evil/f"}}, want: "frontend attribute source is for gateway.v0 only"},
		"all images":             {request: &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": "evil/f"}}, policy: "syntaxImages: ['*']"},
		"attribute":              {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"future": "1"}}, want: `frontend attribute "future" is not known here, or not allowed`},
		"cgroup":                 {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"cgroup-parent": "/"}}, want: `frontend attribute "cgroup-parent"`},
		"cgroup, allowed":        {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"cgroup-parent": "/"}}, policy: "frontendAttributes: [cgroup-parent]"},
		"context of a new kind":  {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"context:a": "future://x"}}, want: `source "future" is not known here`},
		"context by ssh":         {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"context:a": "git@github.com:a/b", "context:b": "github.com/a/b"}}},
		"denied argument":        {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"build-arg:https_proxy": "x"}}, want: `build argument "https_proxy" is not allowed`},
		"many arguments":         {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"build-arg:A": "", "build-arg:B": "", "build-arg:C": "", "build-arg:D": ""}}, want: "4 build arguments are more than 3"},
		"large arguments":        {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"build-arg:A": strings.Repeat("x", 100)}}, want: "build arguments of 101 bytes are more than 100"},
		"unknown field":          {request: withUnknown(&control.SolveRequest{}), want: "SolveRequest has fields that are not known here"},
		"unknown field below":    {request: &control.SolveRequest{Cache: &control.CacheOptions{Exports: []*control.CacheOptionsEntry{withUnknown(&control.CacheOptionsEntry{Type: "inline"})}}}, want: "CacheOptionsEntry.Cache.Exports has fields that are not known here"},
		"session exporter":       {request: &control.SolveRequest{EnableSessionExporter: true}, want: "exporters that the session names"},
		"provenance off":         {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/team/app"})}, want: "attestation provenance is missing"},
		"provenance off, oci":    {request: &control.SolveRequest{ExporterDeprecated: "oci"}, want: "attestation provenance is missing"},
		"provenance by argument": {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/team/app"}), FrontendAttrs: attrs{"build-arg:BUILDKIT_ATTEST_PROVENANCE": ""}}},
		"other attestation":      {request: &control.SolveRequest{FrontendAttrs: attrs{"attest:future": ""}}, want: "attestations: "},

		"foreign name":            {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/other/app"}), FrontendAttrs: provenance}, want: `exporter image: name "r.example/other/app" is not among push`},
		"second name":             {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/team/app,r.example/other/app"}), FrontendAttrs: provenance}, want: `name "r.example/other/app" is not among push`},
		"name of the result":      {request: &control.SolveRequest{Exporters: image(attrs{"name": "*"}), FrontendAttrs: provenance}, want: `name "*" is not the name of an image`},
		"empty second name":       {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/team/app,"}), FrontendAttrs: provenance}, want: `name "" is not the name of an image`},
		"dangling name":           {request: &control.SolveRequest{Exporters: image(attrs{"dangling-name-prefix": "r.example/other/app"}), FrontendAttrs: provenance}, want: `dangling-name-prefix "r.example/other/app" is not among push`},
		"deprecated exporter":     {request: &control.SolveRequest{ExporterDeprecated: "image", ExporterAttrsDeprecated: attrs{"name": "r.example/other/app"}, FrontendAttrs: provenance}, want: `name "r.example/other/app" is not among push`},
		"deprecated beside new":   {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/team/app"}), ExporterDeprecated: "image", ExporterAttrsDeprecated: attrs{"name": "r.example/other/app"}, FrontendAttrs: provenance}, want: `name "r.example/other/app" is not among push`},
		"insecure registry":       {request: &control.SolveRequest{Exporters: image(attrs{"name": "r.example/team/app", "registry.insecure": "true"}), FrontendAttrs: provenance}, want: "registry.insecure is not allowed"},
		"insecure by no boolean":  {request: &control.SolveRequest{Exporters: image(attrs{"registry.insecure": ""}), FrontendAttrs: provenance}, want: "registry.insecure is not allowed"},
		"secure registry":         {request: &control.SolveRequest{Exporters: image(attrs{"registry.insecure": "false"}), FrontendAttrs: provenance}},
		"attribute of exporters":  {request: &control.SolveRequest{Exporters: image(attrs{"future": "x"}), FrontendAttrs: provenance}, want: `exporter image: attribute "future" is not known here`},
		"path of a local":         {request: &control.SolveRequest{Exporters: []*control.Exporter{{Type: "local", Attrs: attrs{"dest": "/etc"}}}}, want: `exporter local: attribute "dest" is not known here`},
		"other exporter":          {request: &control.SolveRequest{Exporters: []*control.Exporter{{Type: "future"}}}, want: `exporter "future" is not allowed`},
		"exporter without a type": {request: &control.SolveRequest{Exporters: []*control.Exporter{{}}}, want: "an exporter has no type"},
		"forbidden exporter":      {request: &control.SolveRequest{Exporters: []*control.Exporter{{Type: "tar"}}}, policy: "exporters: [image]", want: `exporter "tar" is not allowed`},

		"cache":                {request: &control.SolveRequest{Cache: &control.CacheOptions{Exports: []*control.CacheOptionsEntry{{Type: "registry", Attrs: attrs{"ref": "r.example/team/cache", "mode": "max"}}, {Type: "inline"}}, Imports: []*control.CacheOptionsEntry{{Type: "local", Attrs: attrs{"src": "a", "digest": "b"}}}}}},
		"foreign cache":        {request: &control.SolveRequest{Cache: &control.CacheOptions{Exports: []*control.CacheOptionsEntry{{Type: "registry", Attrs: attrs{"ref": "r.example/other/cache"}}}}}, want: `cache export: ref "r.example/other/cache" is not among cacheExports.refs`},
		"cache without a name": {request: &control.SolveRequest{Cache: &control.CacheOptions{Exports: []*control.CacheOptionsEntry{{Type: "registry"}}}}, want: `cache export: ref "" is not the name of an image`},
		"deprecated export":    {request: &control.SolveRequest{Cache: &control.CacheOptions{ExportRefDeprecated: "r.example/other/cache", ExportAttrsDeprecated: attrs{"ref": "r.example/team/cache"}}}, want: `cache export: ref "r.example/other/cache"`},
		"deprecated import":    {request: &control.SolveRequest{Cache: &control.CacheOptions{ImportRefsDeprecated: []string{"evil.example/cache"}}}, want: `cache import: ref "evil.example/cache" is not among cacheImports.refs`},
		"cache type":           {request: &control.SolveRequest{Cache: &control.CacheOptions{Exports: []*control.CacheOptionsEntry{{Type: "s3"}}}}, want: `cache export of type "s3" is not allowed`},
		"cache attribute":      {request: &control.SolveRequest{Cache: &control.CacheOptions{Imports: []*control.CacheOptionsEntry{{Type: "inline", Attrs: attrs{"endpoint_url": "x"}}}}}, want: `cache import inline: attribute "endpoint_url" is not known here`},
		"insecure cache":       {request: &control.SolveRequest{Cache: &control.CacheOptions{Imports: []*control.CacheOptionsEntry{{Type: "registry", Attrs: attrs{"ref": "r.example/a", "registry.insecure": "1"}}}}}, want: "cache import: registry.insecure is not allowed"},
		"cache-from":           {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"cache-from": "r.example/a,evil.example/b"}}, want: `cache import: ref "evil.example/b"`},
		"cache-imports":        {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"cache-imports": `[{"type":"registry","ATTRS":{"ref":"evil.example/b"}}]`}}, want: `cache import: ref "evil.example/b"`},
		"cache-imports, wrong": {request: &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs{"cache-imports": `{`}}, want: "is no JSON of cache imports"},

		"sources":                  {request: &control.SolveRequest{Definition: def(source("docker-image://docker.io/library/alpine", nil), &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{}}}, &pb.Op{Inputs: []*pb.Input{{}}})}},
		"commands":                 {request: &control.SolveRequest{Definition: def(run(&pb.ExecOp{}))}, want: "the definition runs commands: frontend llb is not allowed"},
		"commands, allowed":        {request: &control.SolveRequest{Definition: def(run(&pb.ExecOp{}))}, policy: "frontends: [llb]"},
		"commands of an input":     {request: &control.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{}))}}},
		"insecure command":         {request: &control.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{Security: pb.SecurityMode_INSECURE}))}}, want: `entitlement "security.insecure" is not allowed`},
		"command on the host":      {request: &control.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{Network: pb.NetMode_HOST}))}}, want: `entitlement "network.host" is not allowed`},
		"command of a new mode":    {request: &control.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{Network: 7}))}}, want: "exec.network is 7, which is not known here"},
		"command with a device":    {request: &control.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{CdiDevices: []*pb.CDIDevice{{Name: "vendor.example/gpu=all"}}}))}}, want: `entitlement "device" is not allowed`},
		"command in a cgroup":      {request: &control.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{Meta: &pb.Meta{CgroupParent: "/"}}))}}, want: `cgroup-parent is not allowed`},
		"foreign cache mount":      {request: &control.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{Mounts: []*pb.Mount{{MountType: pb.MountType_CACHE, CacheOpt: &pb.CacheOpt{ID: "go"}}}}))}}, want: `cache mount "go" is not of this tenant`},
		"foreign session of llb":   {request: &control.SolveRequest{Definition: def(source("local://context", attrs{"local.session": "foreign"}))}, want: `session "foreign"`},
		"foreign session of oci":   {request: &control.SolveRequest{Definition: def(source("oci-layout://a@b", attrs{"oci.session": "foreign"}))}, want: `session "foreign"`},
		"source of a new kind":     {request: &control.SolveRequest{Definition: def(source("future://x", nil))}, want: `the definition: source "future://x" is not known here`},
		"source without a kind":    {request: &control.SolveRequest{Definition: def(source("x", nil))}, want: `the definition: source "x" is not known here`},
		"attribute of a source":    {request: &control.SolveRequest{Definition: def(source("local://context", attrs{"local.future": "1"}))}, want: `source local: attribute "local.future" is not known here`},
		"build in a build":         {request: &control.SolveRequest{Definition: def(&pb.Op{Op: &pb.Op_Build{Build: &pb.BuildOp{}}})}, want: "has a build in it"},
		"operation of a new kind":  {request: &control.SolveRequest{Definition: def(withUnknown(&pb.Op{}))}, want: "Op has fields that are not known here"},
		"operation without a kind": {request: &control.SolveRequest{Definition: def(&pb.Op{}, &pb.Op{})}, want: "operation 0 is not known here"},
		"bytes":                    {request: &control.SolveRequest{Definition: &pb.Definition{Def: [][]byte{{0xff}}}}, want: "operation 0 cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			text := usual
			if key, _, ok := strings.Cut(c.policy, ":"); ok { // in place of that of usual
				text = "\n" + c.policy + "\n"
				for line := range strings.Lines(usual) {
					if !strings.HasPrefix(line, key+":") {
						text += line
					}
				}
			}
			switch c.request.Ref {
			case "":
				c.request.Ref = "ref"
			case "-":
				c.request.Ref = ""
			}
			_, err := parse(t, text).For("").Solve(c.request, func(id string) bool { return id == "own" })
			holdRefusal(t, err, c.want)
		})
	}
}

// holdRefusal holds an error against what is wanted; empty for none.
func holdRefusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("is let through, want %q", want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("%v, want %q", err, want)
	}
}

// TestGatewaySolve tests that what a client's own frontend asks for is decided as a build
// is.
func TestGatewaySolve(t *testing.T) {
	c := parse(t, usual).For("")
	own := Build{Owns: func(id string) bool { return id == "own" }}
	replacing := own
	replacing.Replaces = true
	for name, of := range map[string]struct {
		request *gateway.SolveRequest
		build   Build
		want    string
	}{
		"a build":             {&gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: attrs{"filename": "Dockerfile"}}, own, ""},
		"other frontend":      {&gateway.SolveRequest{Frontend: "other.v0"}, own, "is not allowed"},
		"image":               {&gateway.SolveRequest{Frontend: "gateway.v0", FrontendOpt: attrs{"source": "docker/dockerfile:1"}}, own, ""},
		"image, replaced":     {&gateway.SolveRequest{Frontend: "gateway.v0", FrontendOpt: attrs{"source": "docker/dockerfile:1"}}, replacing, "a source policy could replace it"},
		"image, by its own":   {&gateway.SolveRequest{Frontend: "gateway.v0", FrontendOpt: attrs{"source": "docker/dockerfile:1"}, SourcePolicies: []*sourcepolicy.Policy{{Rules: []*sourcepolicy.Rule{{Action: sourcepolicy.PolicyAction_CONVERT}}}}}, own, "a source policy could replace it"},
		"attribute":           {&gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: attrs{"future": ""}}, own, "not known here"},
		"cache":               {&gateway.SolveRequest{CacheImports: []*gateway.CacheOptionsEntry{{Type: "registry", Attrs: attrs{"ref": "evil.example/a"}}}}, own, "is not among cacheImports.refs"},
		"file from a URL":     {&gateway.SolveRequest{Definition: def(source("https://example.com/Dockerfile", attrs{"http.filename": "Dockerfile"}))}, own, ""},
		"commands":            {&gateway.SolveRequest{Definition: def(run(&pb.ExecOp{}))}, own, "the definition runs commands"},
		"commands of inputs":  {&gateway.SolveRequest{FrontendInputs: map[string]*pb.Definition{"a": def(run(&pb.ExecOp{Network: pb.NetMode_HOST}))}}, own, "network.host"},
		"unknown fields":      {withUnknown(&gateway.SolveRequest{}), own, "not known here"},
		"a session of others": {&gateway.SolveRequest{Definition: def(source("local://a", attrs{"local.session": "foreign"}))}, own, `session "foreign"`},
	} {
		t.Run(name, func(t *testing.T) { holdRefusal(t, c.GatewaySolve(of.request, of.build), of.want) })
	}
	holdRefusal(t, c.ImageConfig(&gateway.ResolveImageConfigRequest{SessionID: "foreign"}, own), "was not opened by this client")
	holdRefusal(t, c.SourceMeta(&gateway.ResolveSourceMetaRequest{Source: &pb.SourceOp{Identifier: "future://"}}, own), "is not known here")
	holdRefusal(t, c.SourceMeta(&gateway.ResolveSourceMetaRequest{Source: &pb.SourceOp{Identifier: "docker-image://alpine"}}, own), "")
	holdRefusal(t, c.NewContainer(&gateway.NewContainerRequest{}), "containers beside a build are not allowed")
	holdRefusal(t, c.Exec(&gateway.ExecMessage{}), "are not allowed")
	c = parse(t, "gatewayContainers: true\ntenant: a").For("")
	holdRefusal(t, c.NewContainer(&gateway.NewContainerRequest{}), "")
	holdRefusal(t, c.NewContainer(&gateway.NewContainerRequest{Network: pb.NetMode_HOST}), "network.host")
	holdRefusal(t, c.NewContainer(&gateway.NewContainerRequest{Mounts: []*pb.Mount{{MountType: pb.MountType_CACHE}}}), "is not of this tenant")
	holdRefusal(t, c.Exec(&gateway.ExecMessage{Input: &gateway.ExecMessage_Init{Init: &gateway.InitMessage{Security: pb.SecurityMode_INSECURE}}}), "security.insecure")
	holdRefusal(t, c.Exec(&gateway.ExecMessage{Input: &gateway.ExecMessage_Init{Init: &gateway.InitMessage{}}}), "")
}

// TestBind tests what a request has after it was let through.
func TestBind(t *testing.T) {
	usual, open := parse(t, usual).For(""), parse(t, "syntaxImages: ['*']").For("")
	for _, c := range []struct {
		name     string
		client   *Client
		frontend string
		attrs    attrs
		key      string
		want     string
		there    bool
	}{
		{"a syntax line is not followed", usual, "dockerfile.v0", nil, "cmdline", "dockerfile.v0", true},
		{"nor by the image of a frontend", usual, "gateway.v0", attrs{"source": "docker/dockerfile:1"}, "cmdline", "docker/dockerfile:1", true},
		{"a command line stays", usual, "gateway.v0", attrs{"source": "docker/dockerfile:1", "cmdline": "x y"}, "cmdline", "x y", true},
		{"a syntax that was looked at", usual, "dockerfile.v0", attrs{"build-arg:BUILDKIT_SYNTAX": "docker/dockerfile:1"}, "cmdline", "", false},
		{"all images are allowed", open, "dockerfile.v0", nil, "cmdline", "", false},
		{"no frontend", usual, "", nil, "cmdline", "", false},
		{"cache mounts", usual, "dockerfile.v0", nil, "build-arg:BUILDKIT_CACHE_MOUNT_NS", usual.Namespace() + "/", true},
		{"cache mounts with a namespace", usual, "dockerfile.v0", attrs{"build-arg:BUILDKIT_CACHE_MOUNT_NS": "../other"}, "build-arg:BUILDKIT_CACHE_MOUNT_NS", usual.Namespace() + "/../other", true},
		{"cache mounts without a tenant", open, "dockerfile.v0", nil, "build-arg:BUILDKIT_CACHE_MOUNT_NS", "", false},
	} {
		r := &control.SolveRequest{Ref: "ref", Frontend: c.frontend, FrontendAttrs: c.attrs}
		if _, err := c.client.Solve(r, func(string) bool { return true }); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, there := r.FrontendAttrs[c.key]; got != c.want || there != c.there {
			t.Errorf("%s: %s is %q (%t), want %q (%t)", c.name, c.key, got, there, c.want, c.there)
		}
	}
	// One tenant's names are not the start of another's, as paths are.
	a, b := parse(t, "tenant: team").For(""), parse(t, "tenant: team/app").For("")
	if len(a.Namespace()) != len(b.Namespace()) || a.Namespace() == b.Namespace() {
		t.Errorf("the namespaces are %s and %s", a.Namespace(), b.Namespace())
	}
	if a.SharedKey("key") == b.SharedKey("key") || a.SharedKey("") == "" || open.SharedKey("key") != "key" {
		t.Errorf("the keys of contexts are %s and %s", a.SharedKey("key"), b.SharedKey("key"))
	}
	if a.Affinity("key") == b.Affinity("key") || a.Affinity("") != "" || open.Affinity("key") != "key" {
		t.Errorf("the keys of pods are %s and %s", a.Affinity("key"), b.Affinity("key"))
	}
}

// FuzzSolve tests that no bytes of a request make the decision panic, and that what it
// lets through has nothing unknown in it, as messages and by its operations.
func FuzzSolve(f *testing.F) {
	for _, r := range []*control.SolveRequest{
		{Ref: "a", Frontend: "dockerfile.v0", FrontendAttrs: attrs{"filename": "x", "cache-imports": "[null]"}, Exporters: []*control.Exporter{nil, {Type: "image"}}},
		{Ref: "a", Definition: def(source("local://a", attrs{"local.session": "x"}), run(&pb.ExecOp{Security: 1, Mounts: []*pb.Mount{{MountType: 3}}}), withUnknown(&pb.Op{}))},
		withUnknown(&control.SolveRequest{Ref: "a"}),
	} {
		raw, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	c := parse(f, usual).For("")
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := new(control.SolveRequest)
		if proto.Unmarshal(raw, r) != nil {
			return
		}
		if _, err := c.Solve(r, func(id string) bool { return id == "own" }); err != nil {
			return
		}
		if err := Known(r); err != nil {
			t.Errorf("is let through: %v", err)
		}
		for _, e := range r.Exporters {
			if _, ok := exporterAttributes[e.GetType()]; !ok {
				t.Errorf("exporter %q is let through", e.GetType())
			}
		}
		for _, d := range append([]*pb.Definition{r.Definition}, values(r.FrontendInputs)...) {
			for _, raw := range d.GetDef() {
				op := new(pb.Op)
				if err := proto.Unmarshal(raw, op); err != nil {
					t.Errorf("an operation is let through: %v", err)
				} else if err := Known(op); err != nil || op.GetBuild() != nil || op.GetExec().GetSecurity() != 0 || op.GetExec().GetNetwork() == pb.NetMode_HOST {
					t.Errorf("an operation is let through: %v, %v", op, err)
				}
			}
		}
		if ns := r.FrontendAttrs[attrCacheNS]; r.Frontend != "" && !strings.HasPrefix(ns, c.Namespace()+"/") {
			t.Errorf("the namespace is %q", ns)
		}
	})
}

func values[V any](m map[string]V) []V {
	var all []V
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// FuzzParse tests that no file makes the reader panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(usual))
	f.Add([]byte(`{"clients": {"a": {"timeout": 1e99}}, "maxBuilds": 1.5}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := Parse("p", text); err == nil && p.For("") == nil {
			t.Error("there are no rules")
		}
	})
}
