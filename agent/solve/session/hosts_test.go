package session

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/registry/remote"
)

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
		hosts *Hosts
		host  string
		gets  bool
		warns string
	}{
		{"named", &Hosts{Named: map[string]bool{"a.example": true}}, "a.example", true, ""},
		{"by another spelling", &Hosts{Named: map[string]bool{"docker.io": true}}, "registry-1.docker.io", true, ""},
		{"not named", &Hosts{Named: map[string]bool{"a.example": true}}, "other.example", false, "--registry-allow other.example"},
		{"not to be known", &Hosts{Named: map[string]bool{"a.example": true}, Open: "the frontend x may need any"}, "other.example", true, "the frontend x may need any"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var warnings []string
			tt.hosts.Warn = func(message string) { warnings = append(warnings, message) }
			tokens := &askedTokens{seen: seen{tt.host}}
			keychain := keys{tt.host: {Username: "u", Password: "p"}, "none.example": {}}
			c, err := NewCredentials(keychain, tokens, tt.hosts, nil)
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
			if _, err := c.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: "none.example", Realm: "https://x"}); (err == nil) != (tt.hosts.Open != "") {
				t.Errorf("a token of another registry: %v", err)
			}
			if len(warnings) > 1 || (len(warnings) == 1) != (tt.warns != "") || !strings.Contains(strings.Join(warnings, ""), tt.warns) {
				t.Errorf("warned %q, want %q once", warnings, tt.warns)
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
			hosts := &Hosts{
				Named: map[string]bool{host: true}, Pushes: map[string]bool{host + "/team/app": true}, PushesAny: tt.any,
				Warn: func(message string) { warnings = append(warnings, message) },
			}
			tokens := &askedTokens{}
			c, err := NewCredentials(keys{host + ":443": {Username: "u", Password: "p"}}, tokens, hosts, nil)
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
