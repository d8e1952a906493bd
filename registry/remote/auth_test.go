package remote

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/registrytest"
)

func TestBearer(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	b := &bearerAuth{realm: s.URL + "/token", user: "ci", password: "s3cret", refresh: "r3fresh"}
	s.Fail(b.fault)
	for name, cred := range map[string]fixed{
		"password":       {Username: "ci", Password: "s3cret"},
		"identity token": {IdentityToken: "r3fresh"},
		"registry token": {RegistryToken: "t repository:app:pull,push"},
	} {
		t.Run(name, func(t *testing.T) {
			issued := b.issued
			c := testClient(t, Options{Keychain: cred})
			if err := c.Tag(t.Context(), s.Host+"/app:1", m); err != nil {
				t.Fatal(err)
			}
			if err := c.Push(t.Context(), s.Host+"/app", m); err != nil {
				t.Fatal(err)
			}
			if n := b.issued - issued; n > 1 {
				t.Errorf("%d tokens were fetched for one scope", n)
			}
		})
	}
}

func TestAnonymous(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	s.Fail((&bearerAuth{realm: s.URL + "/token"}).fault)
	if _, err := testClient(t, Options{}).Fetch(t.Context(), s.Host+"/app", m.Descriptor); err != nil {
		t.Error(err)
	}
}

// Long builds outlive a token.
func TestTokenExpires(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	b := &bearerAuth{realm: s.URL + "/token", user: "ci", password: "s3cret"}
	s.Fail(b.fault)
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}})
	for range 2 {
		if err := c.Tag(t.Context(), s.Host+"/app:1", m); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		b.epoch += "x"
		b.mu.Unlock()
	}
	if b.issued != 2 {
		t.Errorf("%d tokens were fetched, want 2", b.issued)
	}
}

func TestBasic(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	s.Fail(basicAuth)
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}})
	if err := c.Tag(t.Context(), s.Host+"/app:1", m); err != nil {
		t.Fatal(err)
	}
	if refused := len(s.Seen); refused == 0 {
		t.Error("no request was seen")
	}
}

// basicAuth is a registry's access control for one user.
func basicAuth(w http.ResponseWriter, r *http.Request) bool {
	if user, password, ok := r.BasicAuth(); ok && user == "ci" && password == "s3cret" {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

func TestRefusals(t *testing.T) {
	wrong := fixed{Username: "ci", Password: "wr0ng", Source: "/home/ci/.docker/config.json"}
	right := fixed{Username: "ci", Password: "s3cret", Source: "/home/ci/.docker/config.json"}
	for _, tt := range []struct {
		name     string
		keychain registry.Keychain
		basic    bool
		mayPush  []string
		want     string
		hint     string
	}{
		{"wrong password, tokens", wrong, false, nil, "answered 401 Unauthorized: incorrect username or password", "does not accept the credential from /home/ci/.docker/config.json"},
		{"wrong password, basic", wrong, true, nil, "answered 401 Unauthorized", "does not accept the credential from /home/ci/.docker/config.json"},
		{"anonymous, tokens", nil, false, nil, "answered 401 Unauthorized: incorrect username or password", "no credential was found"},
		{"anonymous, basic", fixed{}, true, nil, "answered 401 Unauthorized", "no credential was found"},
		{"no right to push", right, false, []string{}, "answered 403 Forbidden: denied: requested access to the resource is denied", "has no right to push here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := registrytest.NewServer(t)
			m := registrytest.Image("a", "")
			s.Fail((&bearerAuth{realm: s.URL + "/token", user: "ci", password: "s3cret", mayPush: tt.mayPush}).fault)
			if tt.basic {
				s.Fail(basicAuth)
			}
			err := testClient(t, Options{Keychain: tt.keychain}).Push(t.Context(), s.Host+"/app", m)
			known := (*Error)(nil)
			if !errors.As(err, &known) {
				t.Fatalf("error %v", err)
			}
			full := "push " + s.Host + "/app@" + m.Descriptor.Digest.String() + ": " + s.Host + " " + tt.want
			if err.Error() != full {
				t.Errorf("error %q, want %q", err, full)
			}
			hints := strings.Join(known.Hints(), "\n")
			if !strings.Contains(hints, tt.hint) {
				t.Errorf("hints %q do not say %q", hints, tt.hint)
			}
			if strings.Contains(err.Error()+hints, "wr0ng") || strings.Contains(err.Error()+hints, "s3cret") {
				t.Error("a password is in the message")
			}
			if known.Temporary() {
				t.Error("a refusal is no failure that heals")
			}
		})
	}
}

// A token service on another host, on a private address, is what registries
// inside a company have; no credential goes to one that would not protect it.
func TestTokenServiceElsewhere(t *testing.T) {
	s := registrytest.NewServer(t)
	m := registrytest.PushImage(t, s, "app", "linux/amd64", "a")
	b := &bearerAuth{user: "ci", password: "s3cret"}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.fault(w, r) }))
	t.Cleanup(tokens.Close)
	b.realm = strings.Replace(tokens.URL, "127.0.0.1", "localhost", 1) + "/token"
	s.Fail(b.fault)
	c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}})
	if _, err := c.Fetch(t.Context(), s.Host+"/app", m.Descriptor); err != nil {
		t.Error(err)
	}
}

func TestNoCredentialLeavesTheHost(t *testing.T) {
	var leaked []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth := r.Header.Get("Authorization"); auth != "" {
			leaked = append(leaked, r.URL.Path+" "+auth)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(elsewhere.Close)

	t.Run("redirected request", func(t *testing.T) {
		s := registrytest.NewServer(t)
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if basicAuth(w, r) {
				return true
			}
			http.Redirect(w, r, elsewhere.URL+"/storage?signature=s1gned", http.StatusTemporaryRedirect)
			return true
		})
		_, err := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}}).Fetch(t.Context(), s.Host+"/app", ocispecs.Descriptor{Digest: registrytest.Image("a", "").Descriptor.Digest})
		if err == nil || strings.Contains(err.Error(), "s1gned") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("redirected token service", func(t *testing.T) {
		s := registrytest.NewServer(t)
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				http.Redirect(w, r, elsewhere.URL+"/token", http.StatusTemporaryRedirect)
				return true
			}
			return (&bearerAuth{realm: s.URL + "/token"}).fault(w, r)
		})
		_, err := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}}).Resolve(t.Context(), s.Host+"/app:1")
		if err == nil || !strings.Contains(err.Error(), "no credential is sent there") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("token service without TLS", func(t *testing.T) {
		s := registrytest.StartServer(t, (*httptest.Server).StartTLS)
		s.Fail((&bearerAuth{realm: elsewhere.URL + "/token"}).fault)
		c := testClient(t, Options{Keychain: fixed{Username: "ci", Password: "s3cret"}, Hosts: Hosts{s.Host: {Insecure: true}}})
		_, err := c.Resolve(t.Context(), s.Host+"/app:1")
		if err == nil || !strings.Contains(err.Error(), "a token service without TLS") {
			t.Errorf("error %v", err)
		}
	})
	if len(leaked) > 0 {
		t.Errorf("credentials reached another host: %q", leaked)
	}
}

func TestKeychainFails(t *testing.T) {
	s := registrytest.NewServer(t)
	s.Fail(basicAuth)
	helper := &registry.HelperError{Program: "docker-credential-x", Host: s.Host, Problem: "no answer within 20s"}
	_, err := testClient(t, Options{Keychain: failing{helper}}).Resolve(t.Context(), s.Host+"/app:1")
	known := (*Error)(nil)
	if !errors.As(err, &known) || !strings.Contains(err.Error(), "credential helper docker-credential-x") || !strings.Contains(strings.Join(known.Hints(), ""), "docker-credential-x get") {
		t.Errorf("error %v", err)
	}
}

// What was wrong is told where a credential is missed.
func TestBrokenSourceIsInTheRefusal(t *testing.T) {
	s := registrytest.NewServer(t)
	s.Fail(basicAuth)
	k := registry.NewKeychain(registry.Inputs{DockerDir: t.TempDir(), DockerAuthConfig: "{"}, zerolog.Nop())
	_, err := testClient(t, Options{Keychain: k}).Resolve(t.Context(), s.Host+"/app:1")
	refused := (*Error)(nil)
	if !errors.As(err, &refused) {
		t.Fatalf("error %v", err)
	}
	hints := strings.Join(refused.Hints(), "\n")
	for _, want := range []string{"slipway auth " + s.Host + "/app", "could not be used: docker config DOCKER_AUTH_CONFIG:1:1: unexpected end of JSON input"} {
		if !strings.Contains(hints, want) {
			t.Errorf("hints %q do not say %q", hints, want)
		}
	}
}

// A credential that is there and not used is told where one is missed.
func TestPassedOverIsInTheRefusal(t *testing.T) {
	s := registrytest.NewServer(t)
	s.Fail(basicAuth)
	k := registry.NewKeychain(registry.Inputs{DockerDir: t.TempDir(), Given: registry.Login{Username: "ci", Password: "s3cret"}}, zerolog.Nop())
	_, err := testClient(t, Options{Keychain: k}).Resolve(t.Context(), s.Host+"/app:1")
	refused := (*Error)(nil)
	if !errors.As(err, &refused) {
		t.Fatalf("error %v", err)
	}
	want := "SLIPWAY_REGISTRY_USERNAME is set but names no registry: set SLIPWAY_REGISTRY_HOST=" + s.Host + " if it is for that registry"
	if hints := refused.Hints(); len(hints) != 2 || hints[0] != want {
		t.Errorf("hints %q, want %q first", hints, want)
	}
}
