package solve

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/session/auth"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/registry/remote"
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
func hostsOf(t *testing.T, dockerfile string, change func(*Request)) *namedHosts {
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
			r.Outputs = []Output{{Type: "image", Attrs: attrs("name", "t.example/app:1", "push", "true")}}
			r.CacheFrom = []Cache{{Type: "registry", Attrs: attrs("ref", "cf.example/c")}, {Type: "gha"}}
			r.CacheTo = []Cache{{Type: "registry", Attrs: attrs("ref", "ct.example/c")}}
		}, "cf.example ct.example t.example", ""},
		{"an output's own name", "FROM scratch", func(r *Request) {
			r.Outputs = []Output{{Type: "registry", Attrs: attrs("name", "o.example/a,p.example/b")}}
		}, "o.example p.example", ""},
		{"named contexts", "FROM base", func(r *Request) { r.Contexts = []BuildContext{{Name: "base", Value: "docker-image://n.example/b:1"}} }, "n.example", ""},
		{"the scanner", "FROM scratch", func(r *Request) { r.Attests = []Attest{{Type: "sbom"}} }, "docker.io", ""},
		{"another scanner", "FROM scratch", func(r *Request) { r.Attests = []Attest{{Type: "sbom", Attrs: attrs("generator", "s.example/g")}} }, "s.example", ""},
		{"allowed", "FROM scratch", func(r *Request) { r.RegistryAllow = []string{"mirror.example", "registry-1.docker.io"} }, "docker.io mirror.example", ""},
		{"a Dockerfile that is elsewhere", "", func(r *Request) { r.Context = "https://github.com/acme/app.git" }, "", "is not on this agent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := hostsOf(t, tt.dockerfile, tt.change)
			if got := strings.Join(slices.Sorted(maps.Keys(n.hosts)), " "); got != tt.want {
				t.Errorf("hosts %q, want %q", got, tt.want)
			}
			if (n.open != "") != (tt.open != "") || !strings.Contains(n.open, tt.open) {
				t.Errorf("open because %q, want %q", n.open, tt.open)
			}
		})
	}
	n := &namedHosts{hosts: map[string]bool{}}
	n.policy(&spb.Policy{Rules: []*spb.Rule{{Updates: &spb.Update{Identifier: "docker-image://p.example/x:1"}}, {}}})
	if !n.hosts["p.example"] || n.open != "" {
		t.Errorf("policy: %v, %q", n.hosts, n.open)
	}
	n.policy(&spb.Policy{Rules: []*spb.Rule{{Updates: &spb.Update{Identifier: "docker-image://${1}/x:1"}}}})
	if n.open == "" {
		t.Error("a policy with a pattern: all is known")
	}
}

// askedTokens notes for whom tokens were fetched.
type askedTokens struct {
	seen
	requests []remote.TokenRequest
}

func (a *askedTokens) Token(_ context.Context, r remote.TokenRequest) (remote.Token, error) {
	a.requests = append(a.requests, r)
	return remote.Token{Value: "t"}, nil
}

// A builder that asks for the credential of a registry that the build has
// nothing to do with is nobody there.
func TestOtherHostsGetNoCredential(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hosts *namedHosts
		host  string
		gets  bool
		warns string
	}{
		{"named", &namedHosts{hosts: map[string]bool{"a.example": true}}, "a.example", true, ""},
		{"by another spelling", &namedHosts{hosts: map[string]bool{"docker.io": true}}, "registry-1.docker.io", true, ""},
		{"not named", &namedHosts{hosts: map[string]bool{"a.example": true}}, "other.example", false, "--registry-allow other.example"},
		{"not to be known", &namedHosts{hosts: map[string]bool{"a.example": true}, open: "the frontend x may need any"}, "other.example", true, "the frontend x may need any"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var warnings []string
			tt.hosts.warn = func(message string) { warnings = append(warnings, message) }
			tokens := &askedTokens{seen: seen{tt.host}}
			keychain := keys{tt.host: {Username: "u", Password: "p"}, "none.example": {}}
			c, err := newCredentials(Request{Keychain: keychain, Tokens: tokens}, tt.hosts, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Credentials(t.Context(), &auth.CredentialsRequest{Host: tt.host})
			if err != nil || (got.Secret != "") != tt.gets {
				t.Errorf("password %q, %v", got.Secret, err)
			}
			// BuildKit fetches tokens itself where a client does not.
			_, err = c.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: tt.host, Realm: "https://x"})
			if (err == nil) != tt.gets || err != nil && status.Code(err) != codes.Unimplemented {
				t.Error(err)
			}
			if len(tokens.requests) > 0 != tt.gets || tt.gets && tokens.requests[0].Anonymous {
				t.Errorf("tokens that were fetched: %+v", tokens.requests)
			}
			_, err = c.GetTokenAuthority(t.Context(), &auth.GetTokenAuthorityRequest{Host: tt.host, Salt: []byte("salt")})
			if (err == nil) != tt.gets || err != nil && status.Code(err) != codes.Unimplemented {
				t.Error(err)
			}
			if _, err := c.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: "none.example", Realm: "https://x"}); (err == nil) != (tt.hosts.open != "") {
				t.Errorf("a token of another registry: %v", err)
			}
			if len(warnings) > 1 || (len(warnings) == 1) != (tt.warns != "") || !strings.Contains(strings.Join(warnings, ""), tt.warns) {
				t.Errorf("warned %q, want %q once", warnings, tt.warns)
			}
		})
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
			r.Tags, r.Outputs = []string{"t.example:5000/team/app:1", "app"}, ApplyPush(nil)
		}, "docker.io/library/app t.example:5000/team/app", false},
		{"tags that are not", func(r *Request) {
			r.Tags, r.Outputs = []string{"t.example/app:1"}, []Output{{Type: "image"}}
		}, "", false},
		{"an output's own name", func(r *Request) {
			r.Outputs = []Output{{Type: "registry", Attrs: attrs("name", "o.example/a,p.example/b")}}
		}, "o.example/a p.example/b", false},
		{"caches that are written", func(r *Request) {
			r.CacheFrom = []Cache{{Type: "registry", Attrs: attrs("ref", "cf.example/c")}}
			r.CacheTo = []Cache{{Type: "registry", Attrs: attrs("ref", "ct.example/c")}}
		}, "ct.example/c", false},
		{"a name that the frontend gives", func(r *Request) {
			r.Outputs = []Output{{Type: "image", Attrs: attrs("name", "*", "push", "true")}}
		}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := hostsOf(t, "FROM b.example/base", tt.change)
			if got := strings.Join(slices.Sorted(maps.Keys(n.pushes)), " "); got != tt.want || n.pushesAny != tt.any {
				t.Errorf("pushes to %q, any: %t; want %q, %t", got, n.pushesAny, tt.want, tt.any)
			}
		})
	}
}

// A builder gets no token that does more than pull from where the build pushes
// nothing to.
func TestTokensPushWhereTheBuildDoes(t *testing.T) {
	const host = "a.example"
	for _, tt := range []struct {
		name, scopes string
		want         string
		warns        bool
		any          bool
	}{
		{"where the build pushes", "repository:team/app:pull,push", "repository:team/app:pull,push", false, false},
		{"elsewhere", "repository:other/secret:pull,push", "repository:other/secret:pull", true, false},
		{"pulls", "repository:other/base:pull", "repository:other/base:pull", false, false},
		{"a push that mounts layers", "repository:other/base:pull repository:team/app:pull,push", "repository:other/base:pull repository:team/app:pull,push", false, false},
		{"a push alone", "repository:other/secret:push", "", true, false},
		{"everything", "repository:other/secret:*", "", true, false},
		{"a name like it", "repository:team/app2:pull,push repository:team/app/x:push", "repository:team/app2:pull", true, false},
		{"the list of repositories", "registry:catalog:*", "", true, false},
		{"too many colons", "repository:team/app:5000/secret:push", "", true, false},
		{"several lines", "repository:other/secret:pull\nrepository:other/secret:push", "repository:other/secret:pull", true, false},
		{"no name", "repository:push", "", true, false},
		{"nothing", "", "", false, false},
		{"where the frontend names the image", "repository:other/app:pull,push", "repository:other/app:pull,push", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var warnings []string
			hosts := &namedHosts{
				hosts: map[string]bool{host: true}, pushes: map[string]bool{host + "/team/app": true}, pushesAny: tt.any,
				warn: func(message string) { warnings = append(warnings, message) },
			}
			tokens := &askedTokens{}
			c, err := newCredentials(Request{Keychain: keys{host + ":443": {Username: "u", Password: "p"}}, Tokens: tokens}, hosts, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := c.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: host + ":443", Realm: "https://x", Scopes: strings.Split(tt.scopes, " ")}); err != nil {
					t.Fatal(err)
				}
			}
			if got := strings.Join(tokens.requests[1].Scopes, " "); got != tt.want {
				t.Errorf("scopes %q, want %q", got, tt.want)
			}
			if (len(warnings) > 0) != tt.warns || len(warnings) != len(slices.Compact(slices.Sorted(slices.Values(warnings)))) {
				t.Errorf("warned %q", warnings)
			}
		})
	}
}
