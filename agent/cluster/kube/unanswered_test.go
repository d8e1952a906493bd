package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

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
			r := &diagnosingTransport{
				next:         roundTrip(func(*http.Request) (*http.Response, error) { return tt.answer, tt.err }),
				proxy:        func(*http.Request) (*url.URL, error) { return tt.proxy, nil },
				byKubeconfig: tt.byKubeconfig,
			}
			answer, err := (&http.Client{Transport: r}).Get("https://api.example:6443/api/v1/pods")
			if err == nil {
				_ = answer.Body.Close()
			}
			err = Explain(err, "list pods of b", Identity{Server: "https://api.example:6443"}, rbac.SecretNames{})
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
