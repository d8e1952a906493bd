package remote

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/registrytest"
)

// quick are limits that keep the number of tries and next to none of the waits.
func quick() limits {
	l := defaultLimits()
	l.base, l.longest = time.Millisecond, time.Second
	return l
}

func testClient(t *testing.T, o Options) *Client {
	t.Helper()
	c := newClient(o, quick())
	c.connections.lookup = onlyHere
	t.Cleanup(func() {
		for _, connection := range c.connections.known {
			connection.standard.CloseIdleConnections()
			connection.uploads.CloseIdleConnections()
		}
	})
	return c
}

// onlyHere keeps tests on this machine: no other host is known.
func onlyHere(address string) (string, error) {
	if isLoopback(address) {
		return address, nil
	}
	return "", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}}
}

// at makes names those of servers on this machine: host:port to host:port.
func (c *Client) at(names map[string]string) *Client {
	c.connections.lookup = func(address string) (string, error) {
		if known, ok := names[address]; ok {
			return known, nil
		}
		return onlyHere(address)
	}
	return c
}

// fixed is a keychain with one credential for all registries.
type fixed registry.Credential

func (f fixed) Resolve(context.Context, registry.Request) (registry.Credential, error) {
	return registry.Credential(f), nil
}

// bearerAuth is a registry's access control with a token service of its own:
// tokens name their scopes, and hold for them only.
type bearerAuth struct {
	realm          string
	user, password string
	refresh        string
	// mayPush are the repositories that the user may write to; nil is all.
	mayPush []string

	mu     sync.Mutex
	issued int
	epoch  string // tokens of another one have expired
}

func (b *bearerAuth) fault(w http.ResponseWriter, r *http.Request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.URL.Path == "/token" {
		b.token(w, r)
		return true
	}
	repository, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	repository, _, _ = strings.Cut(repository, "/blobs/")
	action := "pull"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		action = "push"
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, scope := range strings.Fields(token) {
		name, actions, _ := strings.Cut(strings.TrimPrefix(scope, "repository:"), ":")
		if strings.HasPrefix(token, "t"+b.epoch+" ") && name == repository && slices.Contains(strings.Split(actions, ","), action) {
			return false
		}
	}
	if strings.HasPrefix(token, "t"+b.epoch+" ") && action == "push" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"requested access to the resource\nis denied"}]}`)
		return true
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="`+b.realm+`",service="test",scope="repository:`+repository+":"+action+`"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

func (b *bearerAuth) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	user, password, basic := r.BasicAuth()
	switch {
	case r.Method == http.MethodPost && r.Form.Get("refresh_token") == b.refresh && b.refresh != "":
	case basic && user == b.user && password == b.password:
	case !basic && b.user == "" && r.Method == http.MethodGet: // anonymous
	default:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"details":"incorrect username or password"}`)
		return
	}
	b.issued++
	granted := []string{"t" + b.epoch}
	for _, list := range r.Form["scope"] {
		for scope := range strings.FieldsSeq(list) {
			name, actions, _ := strings.Cut(strings.TrimPrefix(scope, "repository:"), ":")
			if b.mayPush != nil && !slices.Contains(b.mayPush, name) {
				actions = "pull"
			}
			granted = append(granted, "repository:"+name+":"+actions)
		}
	}
	field := "token"
	if r.Method == http.MethodPost {
		field = "access_token"
	}
	_ = json.NewEncoder(w).Encode(map[string]string{field: strings.Join(granted, " ")})
}

// failing is a keychain that cannot be asked.
type failing struct{ err error }

func (f failing) Resolve(context.Context, registry.Request) (registry.Credential, error) {
	return registry.Credential{}, f.err
}

// key is the server's private key as PEM.
func key(t *testing.T, s *registrytest.Server) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
