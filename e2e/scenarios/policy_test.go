package scenarios

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	content "github.com/containerd/containerd/api/services/content/v1"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gwclient "github.com/moby/buildkit/frontend/gateway/client"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/moby/buildkit/solver/pb"
	sourcepolicy "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// redTeamPolicy is what the job may do that attacks: %[1]s is its part of the registry.
const redTeamPolicy = `
tenant: red/team
syntaxImages: [%[1]s/own/frontend]
push: [%[1]s/own/**]
cacheExports: {refs: [%[1]s/own/**]}
cacheImports: {refs: [%[1]s/own/**]}
attestations: [provenance]
buildArgs: {max: 20, denied: [HTTPS_PROXY]}
maxBuilds: 1
`

// intrusion is something that a job should not be able to do.
type intrusion struct {
	name string
	// do attacks; nil says that it has succeeded, errHarmless that it had no effect.
	do func(ctx context.Context, d *door) error
	// refused is what the policy says; empty where the attack is harmless under it.
	refused string
	// waits says that it is refused after the time in which the builds of others are
	// waited for.
	waits bool
}

// errHarmless is the end of an attack that the daemon has served without its effect.
var errHarmless = errors.New("it had no effect")

// door is a client of one socket of the sidecar.
type door struct {
	*client.Client
	t *testing.T
	// dir is the sidecar's directory.
	dir string
	// repo is where all of the scenario's repositories are, base an image with a shell.
	repo, base string
	victim     *attacked
}

// attacked is another client's build, which runs during the attacks, and what it has left.
type attacked struct {
	session, ref string
	// done are references of builds that have ended, logs the digest of the log of one.
	done []string
	logs string
}

type attrs = map[string]string

// withProvenance is what builds with an image must ask for.
func withProvenance() attrs { return attrs{"attest:provenance": "mode=min"} }

// files is a directory with files of one time, so that two may differ in content only.
func files(t *testing.T, contents map[string]string) fsutil.FS {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// open runs a session with a Dockerfile until end is called.
func (d *door) open(ctx context.Context, dockerfile, key string) (id string, end func(), err error) {
	s, err := session.NewSession(ctx, key)
	if err != nil {
		return "", nil, err
	}
	dir := files(d.t, map[string]string{"Dockerfile": dockerfile, "secret": "of " + key})
	s.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": dir, "dockerfile": dir}))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, grpchijack.Dialer(d.ControlClient()))
	}()
	return s.ID(), func() { _ = s.Close(); <-ended }, nil
}

// request solves what a client could send in any form. One with the Dockerfile frontend
// gets a small Dockerfile.
func (d *door) request(ctx context.Context, r *control.SolveRequest) error {
	return d.requestOf(ctx, "FROM scratch\nCOPY Dockerfile /\n", r)
}

func (d *door) requestOf(ctx context.Context, dockerfile string, r *control.SolveRequest) error {
	if r.Ref == "" {
		r.Ref = identity.NewID()
	}
	if r.Session == "" {
		id, end, err := d.open(ctx, dockerfile, identity.NewID())
		if err != nil {
			return err
		}
		defer end()
		r.Session = id
	}
	_, err := d.ControlClient().Solve(ctx, r)
	return err
}

// dockerfile solves a Dockerfile with attributes.
func (d *door) dockerfile(ctx context.Context, text string, attrs attrs, entitlements ...string) error {
	return d.requestOf(ctx, text, &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: attrs, Entitlements: entitlements})
}

// push solves a small image with exporters.
func (d *door) push(ctx context.Context, exporters ...attrs) error {
	r := &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: withProvenance()}
	for _, a := range exporters {
		a["push"] = "true"
		r.Exporters = append(r.Exporters, &control.Exporter{Type: "image", Attrs: a})
	}
	return d.request(ctx, r)
}

// cached solves a small image with cache options.
func (d *door) cached(ctx context.Context, o *control.CacheOptions) error {
	return d.request(ctx, &control.SolveRequest{Frontend: "dockerfile.v0", Cache: o})
}

// inputs solves a Dockerfile on top of an operation that the client has written itself.
func (d *door) inputs(ctx context.Context, change func(*pb.ExecOp), entitlements ...string) error {
	def, err := llb.Image(d.base).Run(llb.Args([]string{"/bin/sh", "-c", "true"}), llb.IgnoreCache).Root().Marshal(ctx)
	if err != nil {
		return err
	}
	return d.requestOf(ctx, "FROM own\nCOPY Dockerfile /\n", &control.SolveRequest{
		Frontend: "dockerfile.v0", FrontendAttrs: attrs{"context:own": "input:own"}, Entitlements: entitlements,
		FrontendInputs: map[string]*pb.Definition{"own": rewritten(def.ToPB(), func(op *pb.Op) {
			if exec := op.GetExec(); exec != nil && change != nil {
				change(exec)
			}
		})},
	})
}

// definition solves operations of the client's own.
func (d *door) definition(ctx context.Context, state llb.State, change func(*pb.Op)) error {
	def, err := state.Marshal(ctx)
	if err != nil {
		return err
	}
	return d.request(ctx, &control.SolveRequest{Definition: rewritten(def.ToPB(), change)})
}

// rewritten is a definition whose operations have changed, with the digests of their
// inputs.
func rewritten(def *pb.Definition, change func(*pb.Op)) *pb.Definition {
	digests := map[string]string{}
	out := &pb.Definition{Metadata: map[string]*pb.OpMetadata{}}
	for _, raw := range def.Def {
		op := new(pb.Op)
		if err := proto.Unmarshal(raw, op); err != nil {
			panic(err) // it was marshalled here
		}
		for _, in := range op.Inputs {
			in.Digest = digests[in.Digest]
		}
		if change != nil {
			change(op)
		}
		changed, err := proto.Marshal(op)
		if err != nil {
			panic(err)
		}
		before, after := string(digest.FromBytes(raw)), string(digest.FromBytes(changed))
		digests[before] = after
		out.Def = append(out.Def, changed)
		if m := def.Metadata[before]; m != nil {
			out.Metadata[after] = m
		}
	}
	return out
}

// read builds in the client's own frontend, and reads a file of the result.
func (d *door) read(ctx context.Context, opt client.SolveOpt, file string, request func(context.Context) (gwclient.SolveRequest, error)) (text string, err error) {
	_, err = d.Build(ctx, opt, "", func(ctx context.Context, c gwclient.Client) (*gwclient.Result, error) {
		r, err := request(ctx)
		if err != nil {
			return nil, err
		}
		result, err := c.Solve(ctx, r)
		if err != nil {
			return nil, err
		}
		raw, err := result.Ref.ReadFile(ctx, gwclient.ReadRequest{Filename: file})
		text = string(raw)
		return gwclient.NewResult(), err
	}, nil)
	return text, err
}

// frontendRan says whether the image of a frontend was run: it ends with a code of its own.
func frontendRan(err error) error {
	switch {
	case err == nil:
		return errHarmless
	case strings.Contains(err.Error(), "exit code: 42"):
		return nil
	}
	return err
}

// recv reads the first message of a stream.
func recv[T any](stream interface{ Recv() (*T, error) }, err error) error {
	if err != nil {
		return err
	}
	_, err = stream.Recv()
	if err != nil && err.Error() == "EOF" {
		return nil
	}
	return err
}

// inBuild is the context of a call of a client's own frontend, for a build.
func inBuild(ctx context.Context, ref string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "buildkit-controlapi-buildid", ref)
}

// attacks are rows of the table in docs/policy.md, by name.
var attacks = []intrusion{
	{"security.insecure", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "# syntax=\nFROM "+d.base+"\nRUN --security=insecure true\n", attrs{"no-cache": ""}, "security.insecure")
	}, `entitlement "security.insecure" is not allowed`, false},
	{"network.host", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM "+d.base+"\nRUN --network=host true\n", attrs{"no-cache": ""}, "network.host")
	}, `entitlement "network.host" is not allowed`, false},
	{"network of the host for all steps", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM "+d.base+"\nRUN true\n", attrs{"no-cache": "", "force-network-mode": "host"}, "network.host")
	}, `entitlement "network.host" is not allowed`, false},
	{"device", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM "+d.base+"\nRUN true\n", nil, "device")
	}, `entitlement "device" is not allowed`, false},
	{"LLB that runs commands", func(ctx context.Context, d *door) error {
		return d.definition(ctx, llb.Image(d.base).Run(llb.Args([]string{"true"}), llb.IgnoreCache).Root(), nil)
	}, "frontend llb is not allowed", false},
	{"LLB with security.insecure", func(ctx context.Context, d *door) error {
		return d.inputs(ctx, func(e *pb.ExecOp) { e.Security = pb.SecurityMode_INSECURE }, "security.insecure")
	}, `entitlement "security.insecure" is not allowed`, false},
	{"LLB with network.host", func(ctx context.Context, d *door) error {
		return d.inputs(ctx, func(e *pb.ExecOp) { e.Network = pb.NetMode_HOST }, "network.host")
	}, `entitlement "network.host" is not allowed`, false},
	{"LLB with a foreign cache mount", func(ctx context.Context, d *door) error {
		return d.inputs(ctx, func(e *pb.ExecOp) {
			e.Mounts = append(e.Mounts, &pb.Mount{Input: -1, Output: -1, Dest: "/c", MountType: pb.MountType_CACHE, CacheOpt: &pb.CacheOpt{ID: "victim/npm"}})
		})
	}, `cache mount "victim/npm" is not of this tenant`, false},
	{"LLB with a foreign session", func(ctx context.Context, d *door) error {
		return d.definition(ctx, llb.Local("context", llb.SessionID(d.victim.session)), nil)
	}, "was not opened by this client", true},
	{"LLB with an unknown field", func(ctx context.Context, d *door) error {
		return d.definition(ctx, llb.Scratch().File(llb.Mkdir("/a", 0o755)), func(op *pb.Op) { op.ProtoReflect().SetUnknown(unknownField()) })
	}, "Op has fields that are not known here", false},

	{"foreign repository", func(ctx context.Context, d *door) error {
		return d.push(ctx, attrs{"name": d.repo + "/other/app:1"})
	}, `is not among push`, false},
	{"second name", func(ctx context.Context, d *door) error {
		return d.push(ctx, attrs{"name": d.repo + "/own/app:1," + d.repo + "/other/app:2"})
	}, `/other/app:2" is not among push`, false},
	{"second exporter", func(ctx context.Context, d *door) error {
		return d.push(ctx, attrs{"name": d.repo + "/own/app:1"}, attrs{"name": d.repo + "/other/app:3"})
	}, `/other/app:3" is not among push`, false},
	{"name of a dangling image", func(ctx context.Context, d *door) error {
		return d.push(ctx, attrs{"dangling-name-prefix": d.repo + "/other/app"})
	}, `dangling-name-prefix`, false},
	{"name for a push by digest", func(ctx context.Context, d *door) error {
		return d.push(ctx, attrs{"name": d.repo + "/other/app", "push-by-digest": "true", "name-canonical": "true"})
	}, `/other/app" is not among push`, false},
	{"name that the result chooses", func(ctx context.Context, d *door) error {
		_, err := d.Build(ctx, client.SolveOpt{Exports: []client.ExportEntry{{Type: "image", Attrs: attrs{"name": "*", "push": "true"}}}}, "", func(ctx context.Context, c gwclient.Client) (*gwclient.Result, error) {
			def, err := llb.Scratch().File(llb.Mkdir("/a", 0o755)).Marshal(ctx)
			if err != nil {
				return nil, err
			}
			result, err := c.Solve(ctx, gwclient.SolveRequest{Definition: def.ToPB()})
			if err == nil {
				result.AddMeta("image.name", []byte(d.repo+"/other/app:4"))
			}
			return result, err
		}, nil)
		return err
	}, `name "*" is not the name of an image`, false},
	{"name in deprecated fields", func(ctx context.Context, d *door) error {
		return d.request(ctx, &control.SolveRequest{Frontend: "dockerfile.v0", FrontendAttrs: withProvenance(), ExporterDeprecated: "image", ExporterAttrsDeprecated: attrs{"name": d.repo + "/other/app:5", "push": "true"}})
	}, `/other/app:5" is not among push`, false},
	{"insecure registry", func(ctx context.Context, d *door) error {
		return d.push(ctx, attrs{"name": d.repo + "/own/app:6", "registry.insecure": "true"})
	}, "registry.insecure is not allowed", false},
	{"unknown attribute of an exporter", func(ctx context.Context, d *door) error {
		return d.push(ctx, attrs{"name": d.repo + "/own/app:7", "future": "1"})
	}, `attribute "future" is not known here`, false},
	{"export to a path", func(ctx context.Context, d *door) error {
		_, err := d.Solve(ctx, nil, client.SolveOpt{Frontend: "dockerfile.v0", LocalMounts: d.mounts("FROM scratch\nCOPY Dockerfile /\n"), Exports: []client.ExportEntry{{Type: "local", OutputDir: d.t.TempDir(), Attrs: attrs{"dest": "/etc"}}}}, nil)
		return err
	}, `exporter local: attribute "dest" is not known here`, false},
	{"exporter that the session names", func(ctx context.Context, d *door) error {
		return d.request(ctx, &control.SolveRequest{Frontend: "dockerfile.v0", EnableSessionExporter: true})
	}, "exporters that the session names", false},
	{"token for a foreign repository", func(ctx context.Context, d *door) error {
		host, repository, _ := strings.Cut(d.repo+"/other/app", "/")
		dialer := &net.Dialer{}
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", filepath.Join(d.dir, "agent.sock"))
		}}
		defer transport.CloseIdleConnections()
		body := fmt.Sprintf(`{"host": %q, "repository": %q, "push": true}`, host, repository)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent/v1/registry-token", strings.NewReader(body))
		if err != nil {
			return err
		}
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != http.StatusOK {
			err = errors.New(string(answer))
		}
		return err
	}, "push has no pattern for all images of ", false},
	{"provenance off", func(ctx context.Context, d *door) error {
		return d.request(ctx, &control.SolveRequest{Frontend: "dockerfile.v0", Exporters: []*control.Exporter{{Type: "image", Attrs: attrs{"name": d.repo + "/own/app:8", "push": "true"}}}})
	}, "attestation provenance is missing", false},

	{"cache to a foreign image", func(ctx context.Context, d *door) error {
		return d.cached(ctx, &control.CacheOptions{Exports: []*control.CacheOptionsEntry{{Type: "registry", Attrs: attrs{"ref": d.repo + "/other/cache"}}}})
	}, "is not among cacheExports.refs", false},
	{"cache to a foreign image in deprecated fields", func(ctx context.Context, d *door) error {
		return d.cached(ctx, &control.CacheOptions{ExportRefDeprecated: d.repo + "/other/cache2"})
	}, "is not among cacheExports.refs", false},
	{"cache from a foreign image", func(ctx context.Context, d *door) error {
		return d.cached(ctx, &control.CacheOptions{Imports: []*control.CacheOptionsEntry{{Type: "registry", Attrs: attrs{"ref": d.repo + "/other/cache"}}}})
	}, "is not among cacheImports.refs", false},
	{"cache from a foreign image by the frontend", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM scratch\nCOPY Dockerfile /\n", attrs{"cache-imports": `[{"Type":"registry","Attrs":{"ref":"` + d.repo + `/other/cache"}}]`})
	}, "is not among cacheImports.refs", false},
	{"cache of another type", func(ctx context.Context, d *door) error {
		return d.cached(ctx, &control.CacheOptions{Imports: []*control.CacheOptionsEntry{{Type: "gha", Attrs: attrs{"url_v2": "http://127.0.0.1:9/", "token": base64.RawURLEncoding.EncodeToString([]byte("x")), "scope": "a"}}}})
	}, `cache import of type "gha" is not allowed`, false},

	{"other frontend", func(ctx context.Context, d *door) error {
		return frontendRan(d.request(ctx, &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": d.repo + "/other/frontend"}}))
	}, `is not among syntaxImages`, false},
	{"frontend in BUILDKIT_SYNTAX", func(ctx context.Context, d *door) error {
		return frontendRan(d.dockerfile(ctx, "FROM scratch\n", attrs{"build-arg:BUILDKIT_SYNTAX": d.repo + "/other/frontend"}))
	}, `is not among syntaxImages`, false},
	{"frontend after # syntax=", func(ctx context.Context, d *door) error {
		return frontendRan(d.dockerfile(ctx, "# syntax="+d.repo+"/other/frontend\nFROM scratch\nCOPY Dockerfile /\n", nil))
	}, "", false},
	{"frontend after # syntax= of a client's own frontend", func(ctx context.Context, d *door) error {
		dockerfile := "# syntax=" + d.repo + "/other/frontend\nFROM scratch\nCOPY Dockerfile /\n"
		_, err := d.read(ctx, client.SolveOpt{LocalMounts: d.mounts(dockerfile)}, "Dockerfile", func(context.Context) (gwclient.SolveRequest, error) {
			return gwclient.SolveRequest{Frontend: "dockerfile.v0"}, nil
		})
		return frontendRan(err)
	}, "", false},
	{"frontend in the place of an allowed one by a context", func(ctx context.Context, d *door) error {
		return frontendRan(d.request(ctx, &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": d.repo + "/own/frontend", "context:" + d.repo + "/own/frontend": "docker-image://" + d.repo + "/other/frontend"}}))
	}, "replaces the frontend image", false},
	{"frontend in the place of an allowed one by a source policy", func(ctx context.Context, d *door) error {
		return frontendRan(d.request(ctx, &control.SolveRequest{Frontend: "gateway.v0", FrontendAttrs: attrs{"source": d.repo + "/own/frontend"}, SourcePolicy: &sourcepolicy.Policy{Version: 1, Rules: []*sourcepolicy.Rule{{
			Action: sourcepolicy.PolicyAction_CONVERT, Selector: &sourcepolicy.Selector{Identifier: "docker-image://" + d.repo + "/own/frontend:latest"}, Updates: &sourcepolicy.Update{Identifier: "docker-image://" + d.repo + "/other/frontend:latest"},
		}}}}))
	}, "a source policy could replace it", false},
	{"control group of the job's choice", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM scratch\nCOPY Dockerfile /\n", attrs{"cgroup-parent": "/"})
	}, `frontend attribute "cgroup-parent" is not known here, or not allowed`, false},
	{"unknown attribute of a frontend", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM scratch\nCOPY Dockerfile /\n", attrs{"future": "1"})
	}, `frontend attribute "future" is not known here`, false},
	{"unknown field of a build", func(ctx context.Context, d *door) error {
		r := &control.SolveRequest{Frontend: "dockerfile.v0"}
		r.ProtoReflect().SetUnknown(unknownField())
		return d.request(ctx, r)
	}, "SolveRequest has fields that are not known here", false},
	{"proxy for the build", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM scratch\nCOPY Dockerfile /\n", attrs{"build-arg:https_proxy": "http://evil.example"})
	}, `build argument "https_proxy" is not allowed`, false},
	{"many build arguments", func(ctx context.Context, d *door) error {
		many := attrs{}
		for i := range 30 {
			many[fmt.Sprintf("build-arg:A%d", i)] = "x"
		}
		return d.dockerfile(ctx, "FROM scratch\nCOPY Dockerfile /\n", many)
	}, "30 build arguments are more than 20", false},

	{"files of another tenant by the key of its context", func(ctx context.Context, d *door) error {
		// The attacker's file has the name, size and time of the victim's, so a daemon
		// that takes it for the same context does not ask for its content.
		text, err := d.read(ctx, client.SolveOpt{SharedKey: "key of the victim", LocalMounts: map[string]fsutil.FS{"victim": files(d.t, map[string]string{"secret": "......"})}}, "secret", localVictim)
		switch {
		case err == nil && text == "victim":
			return nil
		case err == nil && text == "......":
			return errHarmless
		}
		return fmt.Errorf("it read %q: %w", text, err)
	}, "", false},
	{"cache mount of another tenant", func(ctx context.Context, d *door) error {
		text, err := d.read(ctx, client.SolveOpt{LocalMounts: d.mounts(readCacheMount(d.base))}, "out", func(context.Context) (gwclient.SolveRequest, error) {
			return gwclient.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: attrs{"build-arg:BUILDKIT_CACHE_MOUNT_NS": "victim"}}, nil
		})
		switch {
		case err == nil && text == "of the victim\n":
			return nil
		case err == nil && text == "nothing\n":
			return errHarmless
		}
		return fmt.Errorf("it read %q: %w", text, err)
	}, "", false},
	{"session of another build", func(ctx context.Context, d *door) error {
		def, err := llb.Local("context").Marshal(ctx)
		if err != nil {
			return err
		}
		return d.request(ctx, &control.SolveRequest{Session: d.victim.session, Definition: def.ToPB()})
	}, "was not opened by this client", true},
	{"session of another build for one context", func(ctx context.Context, d *door) error {
		return d.dockerfile(ctx, "FROM scratch\nCOPY secret /\n", attrs{"local-sessionid:context": d.victim.session})
	}, "was not opened by this client", true},
	{"OCI layout of another build", func(ctx context.Context, d *door) error {
		err := d.definition(ctx, llb.OCILayout("victim/image@sha256:"+strings.Repeat("a", 64), llb.OCIStore(d.victim.session, "victim")), nil)
		if err != nil && status.Code(err) != codes.PermissionDenied && strings.Contains(err.Error(), "unknown service containerd.services.content.v1.Content") {
			return nil // the victim was asked, which has none
		}
		return err
	}, "was not opened by this client", true},
	{"status of another build", func(ctx context.Context, d *door) error {
		return recv(d.ControlClient().Status(ctx, &control.StatusRequest{Ref: d.victim.ref}))
	}, "the build was not begun by this client", true},
	{"frontend of another build", func(ctx context.Context, d *door) error {
		_, err := gatewayOf(d).Ping(inBuild(ctx, d.victim.ref), &gateway.PingRequest{})
		return err
	}, "the build was not begun by this client", true},
	{"containers beside a build", func(ctx context.Context, d *door) error {
		_, err := d.Build(ctx, client.SolveOpt{}, "", func(ctx context.Context, c gwclient.Client) (*gwclient.Result, error) {
			def, err := llb.Image(d.base).Marshal(ctx)
			if err != nil {
				return nil, err
			}
			result, err := c.Solve(ctx, gwclient.SolveRequest{Definition: def.ToPB()})
			if err != nil {
				return nil, err
			}
			container, err := c.NewContainer(ctx, gwclient.NewContainerRequest{Mounts: []gwclient.Mount{{Dest: "/", MountType: pb.MountType_BIND, Ref: result.Ref}}})
			if err != nil {
				return nil, err
			}
			defer func() { _ = container.Release(ctx) }()
			process, err := container.Start(ctx, gwclient.StartRequest{Args: []string{"/bin/sh", "-c", "true"}, Cwd: "/", Stdout: nopCloser{}})
			if err != nil {
				return nil, err
			}
			return gwclient.NewResult(), process.Wait()
		}, nil)
		return err
	}, "containers beside a build are not allowed", false},

	{"history of all", func(ctx context.Context, d *door) error {
		return recv(d.ControlClient().ListenBuildHistory(ctx, &control.BuildHistoryRequest{EarlyExit: true}))
	}, "the history of all builds is for those who run the builder", false},
	{"history of another build", func(ctx context.Context, d *door) error {
		return recv(d.ControlClient().ListenBuildHistory(ctx, &control.BuildHistoryRequest{Ref: d.victim.done[0], EarlyExit: true}))
	}, "the build was not begun by this client", false},
	{"log of another build", func(ctx context.Context, d *door) error {
		return recv(d.ContentClient().Read(ctx, &content.ReadContentRequest{Digest: d.victim.logs}))
	}, "is not of a build of this client", false},
	{"size of another build's log", func(ctx context.Context, d *door) error {
		_, err := d.ContentClient().Info(ctx, &content.InfoRequest{Digest: d.victim.logs})
		return err
	}, "is not of a build of this client", false},
	{"record kept for ever", func(ctx context.Context, d *door) error {
		_, err := d.ControlClient().UpdateBuildHistory(ctx, &control.UpdateBuildHistoryRequest{Ref: d.victim.done[1], Pinned: true})
		return err
	}, "records of the history are not changed by clients", false},
	{"record deleted", func(ctx context.Context, d *door) error {
		_, err := d.ControlClient().UpdateBuildHistory(ctx, &control.UpdateBuildHistoryRequest{Ref: d.victim.done[1], Delete: true})
		return err
	}, "records of the history are not deleted by clients", false},
	{"DiskUsage", func(ctx context.Context, d *door) error {
		_, err := d.DiskUsage(ctx)
		return err
	}, "DiskUsage is for those who run the builder", false},
	{"Prune", func(ctx context.Context, d *door) error {
		return d.Prune(ctx, nil, client.WithFilter([]string{"id==nothing"}))
	}, "Prune is for those who run the builder", false},
}

type nopCloser struct{ bytes.Buffer }

func (nopCloser) Close() error { return nil }

func (nopCloser) Write(p []byte) (int, error) { return len(p), nil }

func unknownField() []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1)
}

// gatewayOf is the gateway's API of a socket, whatever the build.
func gatewayOf(d *door) gateway.LLBBridgeClient { return d.GatewayClientForBuild("") }

// mounts are those of a Dockerfile.
func (d *door) mounts(dockerfile string) map[string]fsutil.FS {
	dir := files(d.t, map[string]string{"Dockerfile": dockerfile})
	return map[string]fsutil.FS{"context": dir, "dockerfile": dir}
}

// localVictim reads a context by the name that the victim has for it.
func localVictim(ctx context.Context) (gwclient.SolveRequest, error) {
	def, err := llb.Local("victim").Marshal(ctx)
	if err != nil {
		return gwclient.SolveRequest{}, err
	}
	return gwclient.SolveRequest{Definition: def.ToPB()}, nil
}

func readCacheMount(base string) string {
	// Without the cache, a daemon would empty the mount first.
	return "FROM " + base + "\nRUN --mount=type=cache,id=go,target=/c cat /c/secret > /out || echo nothing > /out # " + identity.NewID() + "\n"
}

// TestPolicyRedTeam attacks a builder by a socket with a policy, and by one without: each
// attack succeeds there, and is refused by name or has no effect here. Usual builds go on
// working.
func TestPolicyRedTeam(t *testing.T) {
	t.Parallel()
	r := bed(t).TokenRegistry
	s := newSpace(t, "slipway-build", "slipway-manage")
	config, err := registrytest.BuilderFiles(r)
	if err != nil {
		t.Fatal(err)
	}
	node := s.builderNode("amd64")
	node.Files = config
	for _, e := range []string{"security.insecure", "network.host", "device"} {
		node.Flags = append(node.Flags, "--allow-insecure-entitlement="+e)
	}
	s.define(node)
	a := s.startAgent("agent", cmp.Or(s.Bed.Images.Peer, s.Bed.Images.Agent))
	repo := r.Address + "/" + s.Name
	a.write("policy.yaml", fmt.Sprintf(redTeamPolicy, repo))
	serve := fmt.Sprintf("REGISTRY=%[1]s REGISTRY_USERNAME=%[2]s REGISTRY_PASSWORD='%[3]s' setsid slipway agent serve --registry %[1]s --allow-push '%[4]s/**' ", r.Address, r.Username, r.Password, repo)
	a.ok(serve + "--agent /workspace/open > open.log 2>&1 < /dev/null &")
	a.ok(serve + "--agent /workspace/shut --policy policy.yaml > shut.log 2>&1 < /dev/null &")
	for _, dir := range []string{"open", "shut"} {
		a.until("the builder", "slipway agent health --ready --agent /workspace/"+dir)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", a.sh("tail -n 40 shut.log").stdout)
		}
	})
	open, shut := connect(t, a, "open"), connect(t, a, "shut")
	for _, d := range []*door{open, shut} {
		d.repo, d.base = repo, r.Base
	}
	open.prepare()
	open.victim = open.startVictim()
	shut.victim = open.victim

	t.Run("attacks", func(t *testing.T) {
		for _, attack := range attacks {
			t.Run(attack.name, func(t *testing.T) {
				if attack.waits {
					t.Parallel()
				}
				attack.run(t, open, shut)
			})
		}
	})

	a.usualBuilds(r.Base, repo)
}

// usualBuilds tests that what jobs do goes on behind the policy, with any client, and that
// a build that waits for a place says so.
func (a *agent) usualBuilds(base, repo string) {
	a.t.Helper()
	const socket = "unix:///workspace/shut/kube/builder-amd64.sock"
	a.write("Dockerfile", "FROM "+base+"\nRUN --mount=type=cache,id=go,target=/c echo a >> /c/own && cat /c/own > /out\nCOPY Dockerfile /\n")
	a.write("slow/Dockerfile", "FROM "+base+"\nARG TIME\nRUN sleep 8 # to keep the place\n")
	cache := " --cache-to type=registry,ref=" + repo + "/own/cache --cache-from type=registry,ref=" + repo + "/own/cache "
	clients := map[string]string{"slipway": "slipway build --agent /workspace/shut --progress plain -t " + repo + "/own/slipway:1 --push --provenance mode=max" + cache + "."}
	if a.Bed.Images.Peer != "" {
		a.ok("buildx create --name shut --driver remote " + socket)
		clients["buildx"] = "buildx build --builder shut --progress plain -t " + repo + "/own/buildx:1 --push --metadata-file buildx.json" + cache + "."
		clients["buildctl"] = "buildctl --addr " + socket + " build --progress plain --frontend dockerfile.v0 --local context=. --local dockerfile=. --opt attest:provenance=mode=min --output type=image,name=" + repo + "/own/buildctl:1,push=true"
	}
	script := "slipway build --agent /workspace/shut --progress plain --build-arg TIME=$(date +%s) slow > slow.log 2>&1 & until grep -q 'keep the place' slow.log; do sleep 0.1; done\n"
	for name, command := range clients {
		script += fmt.Sprintf("(%s > %s.log 2>&1; echo \"ended with $?\" >> %[2]s.log) &\n", command, name)
	}
	a.ok(script + "wait")
	for name := range clients {
		log := a.ok("cat " + name + ".log")
		for _, want := range []string{"[policy] waiting for a place: ", "before this one, 1 at a time", "ended with 0"} {
			if !strings.Contains(log, want) {
				a.t.Errorf("the log of %s lacks %q:\n%s", name, want, log)
			}
		}
	}
	a.ok("slipway build --agent /workspace/shut --call targets . >&2")
	a.fails(2, "slipway build --agent /workspace/shut -t "+repo+"/other/app:usual --push .", "policy: exporter image: name", "is not among push")
}

// run attacks without a policy, and with one.
func (i intrusion) run(t *testing.T, open, shut *door) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	with := func(d *door) error {
		copied := *d
		copied.t = t
		return i.do(ctx, &copied)
	}
	if err := with(open); err != nil {
		t.Errorf("without a policy: %v", err)
	}
	err := with(shut)
	switch {
	case i.refused == "" && !errors.Is(err, errHarmless):
		t.Errorf("with the policy: %v, want no effect", err)
	case i.refused != "" && (err == nil || !strings.Contains(err.Error(), "policy: ") || !strings.Contains(err.Error(), i.refused)):
		t.Errorf("with the policy: %v, want a refusal with %q", err, i.refused)
	}
}

// connect returns a client of a sidecar's socket, by the path that the agent's pod has on
// this machine.
func connect(t *testing.T, a *agent, dir string) *door {
	t.Helper()
	uid := a.kubectl("", "get", "pod", a.pod, "-o", "jsonpath={.metadata.uid}")
	found, err := filepath.Glob(filepath.Join(state.Dir(), "*", "kubelet", "pods", uid, "volumes", "kubernetes.io~empty-dir", "workspace", dir))
	if err != nil || len(found) != 1 {
		t.Fatalf("the directories of %s are %v: %v", dir, found, err)
	}
	link := filepath.Join(t.TempDir(), "d") // the path of a socket is bounded
	if err := os.Symlink(found[0], link); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(t.Context(), "unix://"+link+"/kube/builder-amd64.sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &door{Client: c, t: t, dir: link}
}

// prepare makes the images of frontends, of which one is foreign, and a cache.
func (d *door) prepare() {
	d.t.Helper()
	for _, where := range []string{"own", "other"} {
		err := d.requestOf(d.t.Context(), "FROM "+d.base+"\nENTRYPOINT [\"/bin/sh\", \"-c\", \"exit 42\"]\n", &control.SolveRequest{
			Frontend: "dockerfile.v0", Exporters: []*control.Exporter{{Type: "image", Attrs: attrs{"name": d.repo + "/" + where + "/frontend", "push": "true"}}},
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// startVictim runs the builds of another client: some that have ended, and one that runs
// until the test ends.
func (d *door) startVictim() *attacked {
	d.t.Helper()
	ctx := d.t.Context()
	v := &attacked{ref: identity.NewID()}
	for range 2 {
		ref := identity.NewID()
		if err := d.request(ctx, &control.SolveRequest{Ref: ref, Frontend: "dockerfile.v0"}); err != nil {
			d.t.Fatal(err)
		}
		v.done = append(v.done, ref)
	}
	if _, err := d.read(ctx, client.SolveOpt{SharedKey: "key of the victim", LocalMounts: map[string]fsutil.FS{"victim": files(d.t, map[string]string{"secret": "victim"})}}, "secret", localVictim); err != nil {
		d.t.Fatal(err)
	}
	text := "FROM " + d.base + "\nRUN --mount=type=cache,id=go,target=/c echo of the victim > /c/secret\n"
	if err := d.dockerfile(ctx, text, attrs{"build-arg:BUILDKIT_CACHE_MOUNT_NS": "victim"}); err != nil {
		d.t.Fatal(err)
	}
	history, err := d.ControlClient().ListenBuildHistory(ctx, &control.BuildHistoryRequest{Ref: v.done[0], EarlyExit: true})
	if err != nil {
		d.t.Fatal(err)
	}
	event, err := history.Recv()
	if err != nil {
		d.t.Fatal(err)
	}
	v.logs = event.GetRecord().GetLogs().GetDigest()

	s, err := session.NewSession(ctx, "")
	if err != nil {
		d.t.Fatal(err)
	}
	v.session = s.ID()
	dir := files(d.t, map[string]string{"Dockerfile": "FROM scratch\n", "secret": "of the victim"})
	s.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": dir, "dockerfile": dir}))
	runs, finish, ended := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	go func() { ended <- s.Run(ctx, grpchijack.Dialer(d.ControlClient())) }()
	go func() {
		_, err := d.Build(ctx, client.SolveOpt{Ref: v.ref, SharedSession: s, SessionPreInitialized: true}, "", func(ctx context.Context, c gwclient.Client) (*gwclient.Result, error) {
			def, err := llb.Local("context").Marshal(ctx)
			if err != nil {
				return nil, err
			}
			if _, err := c.Solve(ctx, gwclient.SolveRequest{Definition: def.ToPB(), Evaluate: true}); err != nil {
				return nil, err
			}
			close(runs)
			<-finish
			return gwclient.NewResult(), nil
		}, nil)
		ended <- err
	}()
	select {
	case <-runs:
	case err := <-ended:
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		close(finish)
		first := <-ended
		_ = s.Close()
		if err := errors.Join(first, <-ended); err != nil && !errors.Is(err, context.Canceled) {
			d.t.Logf("the victim's build: %v", err)
		}
	})
	return v
}

// TestPolicyRows holds the attacks against the table of the page.
func TestPolicyRows(t *testing.T) {
	t.Parallel()
	page := readFile(t, "../docs/policy.md")
	for _, a := range attacks {
		if !strings.Contains(page, "`"+a.name+"`") {
			t.Errorf("docs/policy.md does not name the attack %q", a.name)
		}
	}
	if len(attacks) < 30 {
		t.Errorf("there are %d attacks", len(attacks))
	}
}
