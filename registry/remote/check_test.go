package remote

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/registrytest"
)

func TestCheck(t *testing.T) {
	right := fixed{Username: "ci", Password: "s3cret", Source: "the test"}
	wrong := fixed{Username: "ci", Password: "wr0ng", Source: "the test"}
	for _, tt := range []struct {
		name     string
		keychain registry.Keychain
		basic    bool
		mayPush  []string
		push     bool
		want     string
	}{
		{"pull, tokens", right, false, nil, false, ""},
		{"push, tokens", right, false, nil, true, ""},
		{"pull, password", right, true, nil, false, ""},
		{"push, password", right, true, nil, true, ""},
		{"may pull only", right, false, []string{}, false, ""},
		{"may not push", right, false, []string{}, true, "answered 403 Forbidden: denied: requested access to the resource is denied"},
		{"wrong password, tokens", wrong, false, nil, false, "answered 401 Unauthorized: incorrect username or password"},
		{"wrong password", wrong, true, nil, true, "answered 401 Unauthorized"},
		{"no credential", nil, false, nil, true, "answered 401 Unauthorized: incorrect username or password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			s.Fail((&bearerAuth{realm: s.URL + "/token", user: "ci", password: "s3cret", mayPush: tt.mayPush}).fault)
			if tt.basic {
				s.Fail(basicAuth)
			}
			err := testClient(t, Options{Keychain: tt.keychain}).Check(t.Context(), s.Host+"/new/app", tt.push)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			op := map[bool]string{false: "check pull", true: "check push"}[tt.push]
			refused := (*Error)(nil)
			if !errors.As(err, &refused) || err.Error() != op+" "+s.Host+"/new/app: "+s.Host+" "+tt.want || len(refused.Hints()) == 0 {
				t.Errorf("error %v, want %q and a hint", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "wr0ng") {
				t.Error("a password is in the message")
			}
		})
	}
}

// A check leaves nothing behind: the upload that it begins is cancelled.
func TestCheckChangesNothing(t *testing.T) {
	s := registrytest.NewServer(t)
	var cancelled []string
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", "/v2/app/blobs/uploads/1234?state=x")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodDelete:
			cancelled = append(cancelled, r.URL.RequestURI())
			w.WriteHeader(http.StatusNoContent)
		default:
			t.Errorf("%s %s", r.Method, r.URL)
		}
		return true
	})
	if err := testClient(t, Options{}).Check(t.Context(), s.Host+"/app", true); err != nil {
		t.Error(err)
	}
	if len(cancelled) != 1 || cancelled[0] != "/v2/app/blobs/uploads/1234?state=x" {
		t.Errorf("cancelled %q", cancelled)
	}
}

// An upload elsewhere is not ours to end with a registry's credential.
func TestCheckFollowsNoForeignUpload(t *testing.T) {
	s, other := registrytest.NewServer(t), registrytest.NewServer(t)
	s.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Location", other.URL+"/v2/app/blobs/uploads/1")
		w.WriteHeader(http.StatusAccepted)
		return true
	})
	if err := testClient(t, Options{}).Check(t.Context(), s.Host+"/app", true); err != nil {
		t.Error(err)
	}
	if n := other.Count(http.MethodDelete, ""); n != 0 {
		t.Errorf("%d requests to another host", n)
	}
}

// Two repositories of one registry with a password each: neither gets the
// other's, whichever way the registry asks.
func TestCredentialsByRepository(t *testing.T) {
	for _, scheme := range []string{"Basic", "Bearer"} {
		t.Run(scheme, func(t *testing.T) {
			s := registrytest.NewServer(t)
			users := map[string][]string{} // by repository
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					user, _, _ := r.BasicAuth()
					_, _ = w.Write([]byte(`{"token":"` + user + `"}`))
					return true
				}
				repository := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/latest")
				user, _, ok := r.BasicAuth()
				if token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); bearer {
					user, ok = token, true
				}
				if !ok {
					w.Header().Set("WWW-Authenticate", scheme+` realm="`+s.URL+`/token",service="x"`)
					w.WriteHeader(http.StatusUnauthorized)
					return true
				}
				users[repository] = append(users[repository], user)
				return true
			})
			file := filepath.Join(t.TempDir(), "auth.json")
			content := `{"auths":{"` + s.Host + `/a":{"username":"ua","password":"p"},"` + s.Host + `/b":{"username":"ub","password":"p"}}}`
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			c := testClient(t, Options{Keychain: registry.NewKeychain(registry.Inputs{DockerDir: t.TempDir(), AuthFile: file}, zerolog.Nop())})
			for _, repository := range []string{"a", "b", "a", "b"} {
				if err := c.Check(t.Context(), s.Host+"/"+repository, false); err != nil {
					t.Error(err)
				}
			}
			for repository, want := range map[string]string{"a": "ua ua", "b": "ub ub"} {
				if got := strings.Join(users[repository], " "); got != want {
					t.Errorf("repository %s was asked for by %q, want %q", repository, got, want)
				}
			}
		})
	}
}

func TestCheckIsCancelled(t *testing.T) {
	s := registrytest.NewServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := testClient(t, Options{}).Check(ctx, s.Host+"/app", true); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A credential that is valid and may not push is not one to renew, whatever
// the registry answers.
func TestCheckOfAValidCredential(t *testing.T) {
	const (
		mayPull = "is valid: it may pull from %s/app and may not push to it"
		renew   = "does not accept the credential from the test: renew it"
	)
	good := func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return user == "ci" && password == "s3cret"
	}
	for _, tt := range []struct {
		name     string
		password string
		// open serves pulls without a credential, closed refuses pulls too.
		open, closed bool
		tokens       bool
		pullFirst    bool
		want         string
		attempts     int // with the credential
	}{
		{"password, after a pull", "s3cret", false, false, false, true, mayPull, 2},
		{"password, push only", "s3cret", false, false, false, false, mayPull, 3},
		{"password, pull is for all", "s3cret", true, false, false, true, mayPull, 2},
		{"password, no right at all", "s3cret", false, true, false, false, "is valid; it has no right to push here", 4},
		{"tokens, after a pull", "s3cret", false, false, true, true, mayPull, 2},
		{"tokens, push only", "s3cret", false, false, true, false, mayPull, 3},
		{"wrong password, after a pull", "wr0ng", false, false, false, true, renew, 3},
		{"wrong password, push only", "wr0ng", false, false, false, false, renew, 2},
		{"wrong password, tokens", "wr0ng", false, false, true, true, renew, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			attempts := 0
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				refuse := func() bool {
					challenge := `Basic realm="test"`
					if tt.tokens {
						challenge = `Bearer realm="` + s.URL + `/token",service="test"`
					}
					w.Header().Set("WWW-Authenticate", challenge)
					w.WriteHeader(http.StatusUnauthorized)
					return true
				}
				if r.Header.Get("Authorization") != "" && (!tt.tokens || r.URL.Path == "/token") {
					attempts++
				}
				push := r.Method == http.MethodPost || strings.Contains(r.URL.Query().Get("scope"), "push")
				switch {
				case r.URL.Path == "/token" && (!good(r) || push):
					w.WriteHeader(http.StatusUnauthorized) // as if the password were wrong
				case r.URL.Path == "/token":
					_, _ = w.Write([]byte(`{"token":"t"}`))
				case tt.open && !push && r.URL.Path != "/v2/":
					return false
				case tt.tokens && r.Header.Get("Authorization") != "Bearer t", !tt.tokens && !good(r):
					return refuse()
				case push || tt.closed && r.URL.Path != "/v2/":
					return refuse()
				default:
					return false
				}
				return true
			})
			c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: tt.password, Source: "the test"}})
			if tt.pullFirst {
				if err := c.Check(t.Context(), s.Host+"/app", false); (err == nil) != (tt.password == "s3cret") {
					t.Fatalf("pull: %v", err)
				}
			}
			err := c.Check(t.Context(), s.Host+"/app", true)
			refused := (*Error)(nil)
			if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
				t.Fatalf("push: %v", err)
			}
			if hints, want := strings.Join(refused.Hints(), ""), strings.ReplaceAll(tt.want, "%s", s.Host); !strings.Contains(hints, want) {
				t.Errorf("hints %q, want %q", hints, want)
			}
			if attempts > tt.attempts {
				t.Errorf("the credential was sent %d times, want at most %d", attempts, tt.attempts)
			}
		})
	}
}

// A token that ended during a build is not one whose user has no right.
func TestAcceptedEnds(t *testing.T) {
	a := newAuthorizer(fixed{Source: "the test", Username: "ci"}, nil)
	if _, err := a.credential(t.Context(), registry.Request{Host: "r.example"}); err != nil {
		t.Fatal(err)
	}
	a.accept("r.example")
	if _, accepted := a.source("r.example"); !accepted {
		t.Error("a credential that was just taken is not known to be valid")
	}
	a.accepted[[2]string{"r.example", "the test"}] = time.Now().Add(-2 * acceptedFor)
	if _, accepted := a.source("r.example"); accepted {
		t.Error("a credential that was taken long ago is known to be valid")
	}
}
