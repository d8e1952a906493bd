package remote

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/registry/registrytest"
)

// A credential that a registry has refused a push with: what can be found out of
// it, and how often it is sent for that.
func TestStanding(t *testing.T) {
	const password = "s3cret"
	valid, pulls, rejected := Standing{Accepted: true}, Standing{Accepted: true, MayPull: true}, Standing{Rejected: true}
	for _, tt := range []struct {
		name, password string
		// tokens is a registry with a token service, open one that serves pulls
		// and root to everybody, closed one that refuses pulls.
		tokens, open, root, closed bool
		// fetched says that the builder has had a token fetched before.
		fetched bool
		want    Standing
		sent    int
	}{
		{name: "password", password: password, want: pulls, sent: 1},
		{name: "tokens", password: password, tokens: true, want: pulls, sent: 1},
		{name: "tokens, the builder had one", password: password, tokens: true, fetched: true, want: pulls, sent: 2},
		{name: "tokens, the builder had one, no right at all", password: password, tokens: true, fetched: true, closed: true, want: valid, sent: 2},
		{name: "pulls are for all", password: password, open: true, want: pulls, sent: 1},
		{name: "all but pushes are for all", password: password, open: true, root: true, want: Standing{}},
		{name: "wrong password", password: "wr0ng", want: rejected, sent: 1},
		{name: "wrong password, tokens", password: "wr0ng", tokens: true, want: rejected, sent: 1},
		{name: "no right at all", password: password, closed: true, want: rejected, sent: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			sent := 0
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				user, given, basic := r.BasicAuth()
				good := user == "ci" && given == password
				if basic {
					sent++
				}
				switch {
				case r.URL.Path == "/token" && good:
					_, _ = w.Write([]byte(`{"token":"t"}`))
					return true
				case r.URL.Path == "/v2/" && tt.root, r.URL.Path != "/v2/" && tt.open:
					return false
				case !tt.closed && (tt.tokens && r.Header.Get("Authorization") == "Bearer t" || !tt.tokens && good):
					return false
				}
				challenge := `Basic realm="test"`
				if tt.tokens {
					challenge = `Bearer realm="` + s.URL + `/token",service="test"`
				}
				w.Header().Set("WWW-Authenticate", challenge)
				w.WriteHeader(http.StatusUnauthorized)
				return true
			})
			c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: tt.password, Source: "the test"}})
			if tt.fetched {
				if _, err := c.Token(t.Context(), TokenRequest{Host: s.Host, Realm: s.URL + "/token", Service: "test", Scopes: []string{"repository:app:pull,push"}}); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // the second time it is known, or not asked again
				if got := c.Standing(t.Context(), s.Host+"/app"); got != tt.want {
					t.Errorf("%+v, want %+v", got, tt.want)
				}
			}
			if sent > tt.sent {
				t.Errorf("the credential was sent %d times, want at most %d", sent, tt.sent)
			}
		})
	}
}

// A registry that does not answer, or fails, is asked once and keeps nobody
// waiting.
func TestStandingIsBounded(t *testing.T) {
	s := registrytest.NewServer(t)
	s.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "p", Source: "the test"}})
	began := time.Now()
	if got := c.Standing(t.Context(), s.Host+"/app"); got != (Standing{}) || time.Since(began) > 5*time.Second {
		t.Errorf("%+v after %s", got, time.Since(began))
	}
	if n := s.Count(http.MethodGet, ""); n > 2 {
		t.Errorf("%d requests", n)
	}
}

func TestStandingHint(t *testing.T) {
	for _, tt := range []struct {
		s           Standing
		right, want string
	}{
		{Standing{}, "push", ""},
		{Standing{Rejected: true}, "push", ""},
		{Standing{Accepted: true, MayPull: true}, "push", "is valid: it may pull from r.example/app and may not push to it"},
		{Standing{Accepted: true}, "push", "is valid; it has no right to push here"},
	} {
		if got := tt.s.Hint("a file", tt.right, "r.example/app"); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.s, got, tt.want)
		}
	}
}
