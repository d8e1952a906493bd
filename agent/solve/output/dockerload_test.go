package output

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

// fakeEngine answers as a Docker engine does; got is what it has loaded.
type fakeEngine struct {
	answer string
	status int
	got    []byte
}

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /_ping":
	case "POST /images/load":
		e.got, _ = io.ReadAll(r.Body)
		w.WriteHeader(e.status)
		_, _ = io.WriteString(w, e.answer)
	default:
		http.NotFound(w, r)
	}
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name   string
		status int
		answer string
		fails  string
	}{
		{"loaded", 200, `{"status":"Loading"}` + "\n" + `{"stream":"Loaded image: x:1\n"}`, ""},
		{"no words", 200, "", ""},
		{"an error after progress", 200, `{"stream":"…"}{"errorDetail":{"message":"no space left"},"error":"no space left"}`, "no space left"},
		{"an error of old", 200, `{"error":"bad tar"}`, "bad tar"},
		{"refused", 403, `{"message":"not allowed"}`, "not allowed"},
		{"refused without words", 500, "", "500"},
		{"cut off", 200, `{"stream":"…`, "read the engine's answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			e := &fakeEngine{answer: tt.answer, status: tt.status}
			socket := filepath.Join(t.TempDir(), "d.sock")
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: e}}
			server.Start()
			t.Cleanup(server.Close)
			p := mustPlan(t, []string{"type=docker"}, func(r *Env) { r.Lookup = env("DOCKER_HOST", "unix://"+socket) })
			outputs := begun(t, p, alone[0])
			mustSend(t, outputs.receivers[0].entry, nil, tarball(t))
			mustEnd(t, outputs, nil, true)
			if err := p.Seal(t.Context()); err != nil || e.got != nil {
				t.Fatalf("Seal = %v, the engine has %d bytes", err, len(e.got))
			}
			_, err = p.Commit(t.Context())
			if tt.fails == "" && err != nil {
				t.Error(err)
			} else if tt.fails != "" {
				wantUsage(t, err, "--output", tt.fails)
			}
			if diff := cmp.Diff(tarball(t), e.got); diff != "" {
				t.Errorf("the engine got (-want +got):\n%s", diff)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			wantTree(t, os.TempDir(), attrs())
		})
	}
}

func TestLoadOverTLS(t *testing.T) {
	e := &fakeEngine{status: 200}
	server := httptest.NewUnstartedServer(e)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	home := t.TempDir()
	dir := filepath.Join(home, ".docker")
	certificate, key := sourcetest.KeyPair(t)
	write(t, dir, attrs("cert.pem", certificate, "key.pem", key,
		"ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))))
	host := "tcp://" + server.Listener.Addr().String()
	lookup := env("DOCKER_HOST", host, "DOCKER_TLS_VERIFY", "1", "DOCKER_CERT_PATH", dir)
	for _, env := range []Env{
		{Files: source.New(t.Context(), nil), Lookup: lookup},
		{Files: source.New(t.Context(), nil), Home: home, Lookup: env("DOCKER_HOST", host, "DOCKER_TLS_VERIFY", "1")},
	} {
		found, err := findEngine(env)
		if err != nil {
			t.Fatal(err)
		}
		if err := found.ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := findEngine(Env{Files: source.New(t.Context(), nil), Lookup: lookup}); err == nil || !strings.Contains(err.Error(), "DOCKER_TLS_VERIFY") {
		t.Errorf("without the authority: %v", err)
	}
	// Without DOCKER_TLS_VERIFY the address is taken at its word.
	if found, err := findEngine(Env{Files: source.New(t.Context(), nil), Lookup: env("DOCKER_HOST", host)}); err != nil || found.ping(t.Context()) == nil {
		t.Errorf("plain HTTP to a TLS port: %v", err)
	}
}

func TestLoadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_ping" {
			cancel(errors.New("signal"))
			<-release
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	t.Setenv("TMPDIR", t.TempDir())
	p := mustPlan(t, []string{"type=docker"}, func(r *Env) {
		r.Lookup = env("DOCKER_HOST", strings.Replace(server.URL, "http", "tcp", 1))
	})
	outputs := begun(t, p, alone[0])
	mustSend(t, outputs.receivers[0].entry, nil, tarball(t))
	mustEnd(t, outputs, nil, true)
	if err := p.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Commit(ctx); !errors.As(err, new(*buildkit.CancelledError)) {
		t.Errorf("Commit = %v, want cancelled", err)
	}
}

func TestFindEngine(t *testing.T) {
	for _, tt := range []struct{ host, want string }{
		{"/var/run/docker.sock", "is not unix://PATH"},
		{"unix://", "is not unix://PATH"},
		{"npipe:////./pipe/docker", "npipe:// is not supported"},
		{"tcp://:x:y", "is not tcp://HOST:PORT"},
	} {
		if _, err := findEngine(Env{Files: source.New(t.Context(), nil), Lookup: env("DOCKER_HOST", tt.host)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("DOCKER_HOST=%s: %v, want %q", tt.host, err, tt.want)
		}
	}
	e, err := findEngine(Env{Files: source.New(t.Context(), nil), Lookup: env("DOCKER_HOST", "tcp://127.0.0.1:1", "DOCKER_CONTEXT", "ignored")})
	if err != nil || fmt.Sprint(e.address, e.base) != "tcp://127.0.0.1:1http://127.0.0.1:1" {
		t.Errorf("engine %+v, %v", e, err)
	}
}
