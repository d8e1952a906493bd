// Package inprocess is a registry in the test's own process, described as the
// testbed's are: TLS by an authority of its own, and one user.
package inprocess

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/slipway-build/slipway/e2e/testbed/pki"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// Start starts a registry that lives as long as the test.
func Start(t *testing.T) state.Registry {
	t.Helper()
	folder := t.TempDir()
	authority, err := pki.New(folder)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue(pkix.Name{CommonName: "registry"}, nil, []net.IP{net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		t.Fatal(err)
	}
	const username, password = "ci", "secret"
	content := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, given, _ := r.BasicAuth(); name != username || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		content.ServeHTTP(&absolute{w, r.Host}, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that a test cuts
	server.StartTLS()
	t.Cleanup(server.Close)
	return state.Registry{
		Address:  server.Listener.Addr().String(),
		CA:       filepath.Join(folder, "ca.crt"),
		CAKey:    filepath.Join(folder, "ca.key"),
		Username: username,
		Password: password,
	}
}

// absolute makes a relative Location an absolute one of the host that the client
// asked, as the testbed's registry does.
type absolute struct {
	http.ResponseWriter
	host string
}

func (a *absolute) WriteHeader(code int) {
	if location := a.Header().Get("Location"); strings.HasPrefix(location, "/") {
		a.Header().Set("Location", "https://"+a.host+location)
	}
	a.ResponseWriter.WriteHeader(code)
}
