package remote

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/registry"
)

// testServer is a registry in memory that can be made to fail.
type testServer struct {
	*httptest.Server
	host string

	mu sync.Mutex
	// fault answers a request instead of the registry when it returns true.
	fault func(w http.ResponseWriter, r *http.Request) bool
	// change, unless nil, changes the header and the status of an answer.
	change func(r *http.Request, header http.Header, code int) int
	// seen are the requests, METHOD PATH.
	seen []string
}

func newServer(t *testing.T) *testServer { return startServer(t, (*httptest.Server).Start) }

func startServer(t *testing.T, start func(*httptest.Server)) *testServer {
	t.Helper()
	s := &testServer{}
	inner := gcr.New(gcr.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		fault := s.fault
		if s.change != nil {
			w = &altering{w, r, s.change}
		}
		s.mu.Unlock()
		if fault == nil || !fault(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // broken handshakes are asked for
	start(s.Server)
	t.Cleanup(s.Close)
	s.host = strings.TrimPrefix(strings.TrimPrefix(s.URL, "https://"), "http://")
	return s
}

func (s *testServer) fail(fault func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// count is how many requests with the method went to a path that holds part.
func (s *testServer) count(method, part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, one := range s.seen {
		if strings.HasPrefix(one, method+" ") && strings.Contains(one, part) {
			n++
		}
	}
	return n
}

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
			connection.quick.CloseIdleConnections()
			connection.patient.CloseIdleConnections()
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

// logLines is a log that a test can read.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) lines(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

func (l *logLines) logger() zerolog.Logger { return zerolog.New(l) }

// fixed is a keychain with one credential for all registries.
type fixed registry.Credential

func (f fixed) Resolve(context.Context, registry.Request) (registry.Credential, error) {
	return registry.Credential(f), nil
}

// pushImage puts an image with a configuration and a layer into a repository
// of the server, past its faults.
func pushImage(t *testing.T, s *testServer, repository, of, layer string) Manifest {
	t.Helper()
	config, err := json.Marshal(ocispecs.Image{Platform: *platform(of), Config: ocispecs.ImageConfig{Env: []string{"OF=" + of}}})
	if err != nil {
		t.Fatal(err)
	}
	return pushManifest(t, s, repository, ocispecs.MediaTypeImageConfig, config, ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayer}, []byte(layer))
}

// pushManifest pushes a manifest of one layer.
func pushManifest(t *testing.T, s *testServer, repository, configType string, config []byte, layer ocispecs.Descriptor, data []byte) Manifest {
	t.Helper()
	layer.Digest, layer.Size = pushBlob(t, s, repository, data)
	manifest := ocispecs.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest, Layers: []ocispecs.Descriptor{layer}}
	manifest.Config.MediaType = configType
	manifest.Config.Digest, manifest.Config.Size = pushBlob(t, s, repository, config)
	content, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	m := Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: manifest.MediaType, Digest: digest.FromBytes(content), Size: int64(len(content))},
		Content:    content,
	}
	put(t, s, "/v2/"+repository+"/manifests/"+m.Descriptor.Digest.String(), m)
	return m
}

func put(t *testing.T, s *testServer, path string, m Manifest) {
	t.Helper()
	send(t, s, http.MethodPut, path, m.Descriptor.MediaType, m.Content)
}

func pushBlob(t *testing.T, s *testServer, repository string, data []byte) (digest.Digest, int64) {
	t.Helper()
	d := digest.FromBytes(data)
	send(t, s, http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+url.QueryEscape(d.String()), "application/octet-stream", data)
	return d, int64(len(data))
}

func send(t *testing.T, s *testServer, method, path, contentType string, body []byte) {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
}

// firstTimes is a fault for the first n requests that match.
func firstTimes(n int, match func(*http.Request) bool, fault http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		hit := n > 0 && match(r)
		if hit {
			n--
		}
		mu.Unlock()
		if hit {
			fault(w, r)
		}
		return hit
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// cut breaks the connection.
func cut(w http.ResponseWriter, _ *http.Request) {
	if hijacker, ok := w.(http.Hijacker); ok {
		if conn, _, err := hijacker.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
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
func key(t *testing.T, s *testServer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
