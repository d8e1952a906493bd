package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
)

// TestWhatDoesNotAnswer has requests that no API server answers, and wants to
// hear what did not.
func TestWhatDoesNotAnswer(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy.example:3128", User: url.UserPassword("u", "secret-password")}
	timeout := &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	// What net returns when the dialer's own time is over.
	late := &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	for _, tt := range []struct {
		name         string
		err          error
		answer       *http.Response
		proxy        *url.URL
		byKubeconfig bool
		words        string
		hint         string
	}{
		{name: "API server", err: timeout, words: "no answer from api.example:6443", hint: "reaches https://api.example:6443"},
		{name: "API server, as net says it", err: late, words: "no answer from api.example:6443", hint: "reaches https://api.example:6443"},
		{name: "through a proxy", err: timeout, proxy: proxy, words: "no answer from api.example:6443 through the proxy http://proxy.example:3128", hint: "NO_PROXY=api.example"},
		{name: "proxy", err: &net.OpError{Op: "proxyconnect", Net: "tcp", Err: late}, proxy: proxy, words: "no answer from the proxy http://proxy.example:3128, through which api.example:6443 is reached", hint: "NO_PROXY=api.example"},
		{name: "proxy refuses", err: errors.New("Forbidden"), proxy: proxy, words: "the proxy http://proxy.example:3128 refuses the connection to api.example:6443: Forbidden", hint: "NO_PROXY=api.example"},
		{name: "proxy wants a password", err: errors.New("Proxy Authentication Required"), proxy: proxy, byKubeconfig: true, words: "refuses the connection to api.example:6443: Proxy Authentication Required", hint: "proxy-url"},
		{
			name: "a page", proxy: proxy, words: "403 Forbidden, from something that is not an API server through the proxy", hint: "NO_PROXY=api.example",
			answer: &http.Response{StatusCode: 403, Status: "403 Forbidden", Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: io.NopCloser(strings.NewReader("no"))},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &reach{
				next:         roundTrip(func(*http.Request) (*http.Response, error) { return tt.answer, tt.err }),
				proxy:        func(*http.Request) (*url.URL, error) { return tt.proxy, nil },
				byKubeconfig: tt.byKubeconfig,
			}
			answer, err := (&http.Client{Transport: r}).Get("https://api.example:6443/api/v1/pods")
			if err == nil {
				_ = answer.Body.Close()
			}
			err = explain(err, "list pods of b", Identity{Server: "https://api.example:6443"}, rbac.SecretNames{})
			known := (*Error)(nil)
			if !errors.As(err, &known) || known.Reason != ReasonUnreachable || errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%v, want what counts as unreachable and no end of a context", err)
			}
			if !strings.Contains(known.Error(), tt.words) || strings.Contains(known.Error(), "secret-password") {
				t.Errorf("%q lacks %q, or holds a password", known, tt.words)
			}
			if hints := strings.Join(known.Hints(), "\n"); !strings.Contains(hints, tt.hint) || strings.Contains(hints, "kind: Role") {
				t.Errorf("hints %q lack %q", hints, tt.hint)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestCredentialPlugin has plugins that fail and that never end. A request goes
// on waiting for neither.
func TestCredentialPlugin(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	dir := t.TempDir()
	held := filepath.Join(dir, "held")
	for _, tt := range []struct{ name, script, words string }{
		{"fails", "exit 7", "credential plugin fails of kubeconfig context main failed: exec: executable " + dir + "/fails failed with exit code 7"},
		// It ends when the test does.
		{"hangs", "exec 0</dev/null 1>/dev/null 2>/dev/null; while test ! -e " + held + "; do sleep 0.1; done", "credential plugin hangs of kubeconfig context main has not answered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			command := filepath.Join(dir, tt.name)
			if err := os.WriteFile(command, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			if tt.name == "hangs" {
				t.Cleanup(func() { _ = os.WriteFile(held, nil, 0o600) })
			}
			c, err := newClient(&rest.Config{Host: server.URL, ExecProvider: &clientcmdapi.ExecConfig{
				Command: command, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
			}}, Identity{Namespace: "ci", Context: "main"}, "", zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			node := clustertest.Node(nil)
			node.Kubernetes.Timeout = 20 * time.Second
			if tt.name == "hangs" {
				node.Kubernetes.Timeout = time.Second
			}
			_, err = c.Up(t.Context(), node, func(string) {})
			known := (*Error)(nil)
			if !errors.As(err, &known) || known.Reason != ReasonIdentity || !strings.Contains(known.Error(), tt.words) || len(known.Hints()) == 0 {
				t.Errorf("%v, want %q", err, tt.words)
			}
		})
	}
}
