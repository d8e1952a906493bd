package solve

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	spb "github.com/moby/buildkit/sourcepolicy/pb"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
)

func TestDockerfileImages(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		args       map[string]string
		named      []string
		want       string
		unknown    bool
	}{
		{"plain", "FROM a.example/x:1\nFROM alpine", nil, nil, "a.example/x:1 alpine", false},
		{"stages", "FROM a.example/x AS Base\nFROM base AS two\nCOPY --from=base / /\nCOPY --from=0 / /\nFROM scratch", nil, nil, "a.example/x", false},
		{"a stage that comes later", "FROM two\nFROM a.example/x AS two", nil, nil, "two a.example/x", false},
		{"arguments", "ARG REG=a.example\nARG IMAGE=${REG}/x\nFROM ${IMAGE}:1", nil, nil, "a.example/x:1", false},
		{"given arguments", "ARG REG=a.example\nARG IMAGE=${REG}/x\nFROM $IMAGE:1", map[string]string{"REG": "b.example"}, nil, "b.example/x:1", false},
		{"several on a line", "ARG A=a.example B=x\nFROM $A/$B", nil, nil, "a.example/x", false},
		{"a default in the word", "ARG REG\nFROM ${REG:-a.example}/x", nil, nil, "a.example/x", false},
		{"a stage's own arguments", "FROM a.example/x\nARG REG=b.example\nFROM $REG/y", nil, nil, "a.example/x /y", false},
		{"platforms", "FROM --platform=$BUILDPLATFORM a.example/x-$TARGETARCH", nil, nil, "a.example/x-platform", false},
		{"a registry by platform", "FROM $TARGETARCH.example/x", nil, nil, "", true},
		{"copy", "FROM scratch\nCOPY --link --from=c.example/z:1 /a /b", nil, nil, "c.example/z:1", false},
		{"mount", "FROM scratch\nRUN --mount=type=bind,from=m.example/y,target=/x --mount=type=cache,target=/y true", nil, nil, "m.example/y", false},
		{"onbuild", "FROM scratch\nONBUILD COPY --from=o.example/w / /", nil, nil, "o.example/w", false},
		{"copy by argument", "FROM scratch\nARG X\nCOPY --from=$X / /", nil, nil, "", true},
		{"named contexts", "FROM base\nFROM alpine:latest\nFROM a.example/x:2\nCOPY --from=files / /", nil, []string{"base", "alpine", "files"}, "a.example/x:2", false},
		{"escape", "# escape=`\nFROM a.example/x `\n AS y\nFROM y", nil, nil, "a.example/x", false},
		{"heredoc", "FROM a.example/x\nRUN <<EOF\nFROM evil.example/x\nEOF", nil, nil, "a.example/x", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dockerfileImages{args: tt.args, named: map[string]bool{}, stages: map[string]bool{}}
			for _, name := range tt.named {
				d.named[name] = true
			}
			if err := d.read([]byte(tt.text)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(d.images, " "); got != tt.want || (d.unknown != "") != tt.unknown {
				t.Errorf("images %q, unknown %q; want %q", got, d.unknown, tt.want)
			}
		})
	}
}

// hostsOf prepares a request and returns the registries that it names.
func hostsOf(t *testing.T, dockerfile string, change func(*Request)) *session.Hosts {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	r := Request{Context: dir}
	if change != nil {
		change(&r)
	}
	p, err := Prepare(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p.hosts
}

func TestNamedHosts(t *testing.T) {
	for _, tt := range []struct {
		name, dockerfile string
		change           func(*Request)
		want             string
		open             string
	}{
		{"bases", "FROM a.example:5000/x\nFROM alpine", nil, "a.example:5000 docker.io", ""},
		{"nothing", "FROM scratch", nil, "", ""},
		{"syntax", "# syntax=docker/dockerfile:1\nFROM scratch", nil, "docker.io", ""},
		{"a mirrored syntax", "# syntax=m.example/docker/dockerfile:1\nFROM scratch", nil, "m.example", "the frontend m.example/docker/dockerfile:1"},
		{"another frontend", "# syntax=f.example/nix\nwhatever", nil, "f.example", "the frontend f.example/nix may need any"},
		{"syntax as an argument", "FROM scratch", func(r *Request) { r.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": "f.example/x"} }, "f.example", "f.example/x"},
		{"outputs, tags and caches", "FROM scratch", func(r *Request) {
			r.Tags = []string{"t.example/app:1"}
			r.Outputs = []output.Output{{Type: "image", Attrs: attrs("name", "t.example/app:1", "push", "true")}}
			r.CacheFrom = []cache.Entry{{Type: "registry", Attrs: attrs("ref", "cf.example/c")}, {Type: "gha"}}
			r.CacheTo = []cache.Entry{{Type: "registry", Attrs: attrs("ref", "ct.example/c")}}
		}, "cf.example ct.example t.example", ""},
		{"an output's own name", "FROM scratch", func(r *Request) {
			r.Outputs = []output.Output{{Type: "registry", Attrs: attrs("name", "o.example/a,p.example/b")}}
		}, "o.example p.example", ""},
		{"named contexts", "FROM base", func(r *Request) { r.Contexts = []BuildContext{{Name: "base", Value: "docker-image://n.example/b:1"}} }, "n.example", ""},
		{"the scanner", "FROM scratch", func(r *Request) { r.Attests = []Attest{{Type: "sbom"}} }, "docker.io", ""},
		{"another scanner", "FROM scratch", func(r *Request) { r.Attests = []Attest{{Type: "sbom", Attrs: attrs("generator", "s.example/g")}} }, "s.example", ""},
		{"allowed", "FROM scratch", func(r *Request) { r.RegistryAllow = []string{"mirror.example", "registry-1.docker.io"} }, "docker.io mirror.example", ""},
		{"a Dockerfile that is elsewhere", "", func(r *Request) { r.Context = "https://github.com/acme/app.git" }, "", "is not on this agent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := hostsOf(t, tt.dockerfile, tt.change)
			if got := strings.Join(slices.Sorted(maps.Keys(n.Named)), " "); got != tt.want {
				t.Errorf("hosts %q, want %q", got, tt.want)
			}
			if (n.Open != "") != (tt.open != "") || !strings.Contains(n.Open, tt.open) {
				t.Errorf("open because %q, want %q", n.Open, tt.open)
			}
		})
	}
	n := &session.Hosts{Named: map[string]bool{}}
	addPolicy(n, &spb.Policy{Rules: []*spb.Rule{{Updates: &spb.Update{Identifier: "docker-image://p.example/x:1"}}, {}}})
	if !n.Named["p.example"] || n.Open != "" {
		t.Errorf("policy: %v, %q", n.Named, n.Open)
	}
	addPolicy(n, &spb.Policy{Rules: []*spb.Rule{{Updates: &spb.Update{Identifier: "docker-image://${1}/x:1"}}}})
	if n.Open == "" {
		t.Error("a policy with a pattern: all is known")
	}
}

func TestPushedRepositories(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Request)
		want   string
		any    bool
	}{
		{"tags that are pushed", func(r *Request) {
			r.Tags, r.Outputs = []string{"t.example:5000/team/app:1", "app"}, output.ApplyPush(nil)
		}, "docker.io/library/app t.example:5000/team/app", false},
		{"tags that are not", func(r *Request) {
			r.Tags, r.Outputs = []string{"t.example/app:1"}, []output.Output{{Type: "image"}}
		}, "", false},
		{"an output's own name", func(r *Request) {
			r.Outputs = []output.Output{{Type: "registry", Attrs: attrs("name", "o.example/a,p.example/b")}}
		}, "o.example/a p.example/b", false},
		{"caches that are written", func(r *Request) {
			r.CacheFrom = []cache.Entry{{Type: "registry", Attrs: attrs("ref", "cf.example/c")}}
			r.CacheTo = []cache.Entry{{Type: "registry", Attrs: attrs("ref", "ct.example/c")}}
		}, "ct.example/c", false},
		{"a name that the frontend gives", func(r *Request) {
			r.Outputs = []output.Output{{Type: "image", Attrs: attrs("name", "*", "push", "true")}}
		}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := hostsOf(t, "FROM b.example/base", tt.change)
			if got := strings.Join(slices.Sorted(maps.Keys(n.Pushes)), " "); got != tt.want || n.PushesAny != tt.any {
				t.Errorf("pushes to %q, any: %t; want %q, %t", got, n.PushesAny, tt.want, tt.any)
			}
		})
	}
}
