package remote

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/logtest"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/registrytest"
)

// What counts is the token service that the registry names, whatever a builder
// says.
func TestBuilderNamesAnotherTokenService(t *testing.T) {
	s := startTokenService(t, (*httptest.Server).Start, false)
	evil := registrytest.NewServer(t)
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}})
	for range 2 {
		r := want(s.Host, evil.URL)
		r.Service = "evil"
		if got, err := c.Token(t.Context(), r); err != nil || got.Value != "by-password" {
			t.Errorf("%q, %v", got.Value, err)
		}
	}
	if len(evil.Seen) != 0 {
		t.Errorf("the builder's own service was asked: %q", evil.Seen)
	}
	if asked := s.asked(); len(asked) != 2 || !strings.Contains(asked[0], "service=reg ") {
		t.Errorf("asked %q", asked)
	}
}

// Without the registry's own word a credential stays with the registry, and
// the builder's warning is given once.
func TestRegistryCannotBeAsked(t *testing.T) {
	evil := startTokenService(t, (*httptest.Server).StartTLS, false)
	var lines logtest.Lines
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}, Log: lines.Logger()})
	for range 2 {
		_, err := c.Token(t.Context(), want("registry.example", evil.URL))
		if err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("error %v", err)
		}
	}
	if n := lines.Count("does not tell this agent"); n != 1 {
		t.Errorf("%d warnings, want 1: %s", n, lines.String())
	}
	if asked := evil.asked(); len(asked) != 0 {
		t.Errorf("a credential went where the builder says: %q", asked)
	}
}

// Some registries ask for a credential only where something is read or pushed.
func TestLookFindsTheChallenge(t *testing.T) {
	for _, tt := range []struct {
		name  string
		asks  func(r *http.Request) bool
		scope string
		want  bool
	}{
		{"at once", func(*http.Request) bool { return true }, "repository:app:pull", true},
		{"where something is read", func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }, "repository:app:pull", true},
		{"where something is pushed", func(r *http.Request) bool { return r.Method == http.MethodPost }, "repository:app:pull,push", true},
		{"pushes only", func(r *http.Request) bool { return r.Method == http.MethodPost }, "repository:app:pull", false},
		{"never", func(*http.Request) bool { return false }, "repository:app:pull,push", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				if tt.asks(r) {
					w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.example/token",service="reg"`)
					w.WriteHeader(http.StatusUnauthorized)
				} else {
					w.WriteHeader(http.StatusNotFound)
				}
				return true
			})
			found, err := testClient(t, Options{}).challenge(t.Context(), registry.ScopedRequest(s.Host, []string{tt.scope}))
			if (err == nil) != tt.want || tt.want && found.realm != "https://auth.example/token" {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

// A password goes to registries that take passwords, not to those that a
// builder says take them.
func TestTakesPassword(t *testing.T) {
	s := registrytest.NewServer(t)
	for header, want := range map[string]bool{
		`Basic realm="x"`: true,
		`Bearer realm="https://auth.example/token",service="reg"`: false,
		"": true, // nobody can tell
	} {
		s.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("WWW-Authenticate", header)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		})
		if got := testClient(t, Options{}).TakesPassword(t.Context(), s.Host); got != want {
			t.Errorf("%s: %v, want %v", header, got, want)
		}
	}
}
