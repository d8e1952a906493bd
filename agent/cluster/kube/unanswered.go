package kube

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// pluginWarnAfter is how long a credential plugin may take before the log names
// it. Some ask the network, and some a person.
const pluginWarnAfter = 3 * time.Second

// diagnosingTransport is the outermost transport of all requests to the API
// server. Of those that get no answer it says what did not answer: a credential
// plugin, a proxy or the API server.
type diagnosingTransport struct {
	next http.RoundTripper
	// proxy is how the transport below chooses one; byKubeconfig is true where
	// the kubeconfig names it.
	proxy        func(*http.Request) (*url.URL, error)
	byKubeconfig bool
	// plugin names the credential plugin; empty without one.
	plugin string
	log    zerolog.Logger
}

// newDiagnosingTransport wraps the transport that was made of config.
func newDiagnosingTransport(next http.RoundTripper, config *rest.Config, id Identity, log zerolog.Logger) *diagnosingTransport {
	r := &diagnosingTransport{next: next, proxy: config.Proxy, byKubeconfig: config.Proxy != nil, plugin: pluginOf(config, id), log: log}
	if r.proxy == nil {
		r.proxy = http.ProxyFromEnvironment
	}
	return r
}

// pluginOf names a config's credential plugin as messages do.
func pluginOf(config *rest.Config, id Identity) string {
	if config.ExecProvider == nil {
		return ""
	}
	return fmt.Sprintf("credential plugin %s of kubeconfig context %s", filepath.Base(config.ExecProvider.Command), id.Context)
}

// WrappedRoundTripper returns what is wrapped, as client-go wants it.
func (r *diagnosingTransport) WrappedRoundTripper() http.RoundTripper { return r.next }

// RoundTrip implements http.RoundTripper.
func (r *diagnosingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.afterPlugin(request)
	if known := (*pluginError)(nil); errors.As(err, &known) {
		return nil, err
	}
	u := &unansweredError{host: hostPort(request.URL), byKubeconfig: r.byKubeconfig, err: err, ended: request.Context().Err() != nil}
	if proxy, proxyErr := r.proxy(request); proxyErr == nil && proxy != nil {
		u.proxy = proxy.Scheme + "://" + proxy.Host // without a password
	}
	if err != nil {
		return nil, u
	}
	// The API server refuses in JSON or protobuf; pages are for people.
	kind, _, mediaErr := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	page := mediaErr == nil && kind == "text/html" && answer.StatusCode >= http.StatusBadRequest
	if page || answer.StatusCode == http.StatusProxyAuthRequired {
		_ = answer.Body.Close() // nobody reads it
		u.err = fmt.Errorf("%s, from something that is not an API server", answer.Status)
		return nil, u
	}
	return answer, nil
}

// credentialReadyKey is the key of a context for what happens when a credential is there and
// a request leaves.
type credentialReadyKey struct{}

// credentialMarker marks that the credential of a request is there. It is below
// client-go's own transport for credential plugins, as all of a rest.Config's
// are.
type credentialMarker struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l credentialMarker) RoundTrip(request *http.Request) (*http.Response, error) {
	if left, ok := request.Context().Value(credentialReadyKey{}).(func()); ok {
		left()
	}
	return l.next.RoundTrip(request)
}

// afterPlugin sends the request. client-go runs a credential plugin before it,
// heeds no context in that and cannot end it, so it is left behind at the end of
// the context; the process is about to end then.
func (r *diagnosingTransport) afterPlugin(request *http.Request) (*http.Response, error) {
	if r.plugin == "" {
		return r.next.RoundTrip(request)
	}
	left := make(chan struct{})
	happened := sync.OnceFunc(func() { close(left) })
	type result struct {
		answer *http.Response
		err    error
	}
	done := make(chan result, 1)
	go fault.Protect(func() { //nolint:contextcheck // the request has the context
		answer, err := r.next.RoundTrip(request.WithContext(context.WithValue(request.Context(), credentialReadyKey{}, happened))) //nolint:bodyclose // whoever takes the answer closes it
		done <- result{answer, err}
	})()
	slow := time.NewTimer(pluginWarnAfter)
	defer slow.Stop()
	for {
		select {
		case got := <-done:
			select {
			case <-left:
			default:
				if got.err != nil {
					return nil, &pluginError{plugin: r.plugin, err: got.err}
				}
			}
			return got.answer, got.err
		case <-left:
			got := <-done // the transport heeds the context
			return got.answer, got.err
		case <-slow.C:
			r.log.Warn().Msg("waiting for " + r.plugin)
		case <-request.Context().Done():
			return nil, &pluginError{plugin: r.plugin, err: context.Cause(request.Context())}
		}
	}
}

// pluginError is a credential plugin that failed or did not end in time.
type pluginError struct {
	plugin string
	err    error
}

func (e *pluginError) Error() string {
	if IsContextError(e.err) {
		return e.plugin + " has not answered"
	}
	// client-go's words repeat its own doings first.
	return fmt.Sprintf("%s failed: %s", e.plugin, sanitize.Line(strings.TrimPrefix(e.err.Error(), "getting credentials: ")))
}

// Unwrap returns the end of a context, or the plugin's failure.
func (e *pluginError) Unwrap() error { return e.err }

// hints say what to do about the plugin.
func (e *pluginError) hints() []string {
	return []string{
		"run the plugin by hand with the arguments in the kubeconfig: it may ask for a login, or for an address that is not reached from here",
		"a pipeline is better off without: --kubeconfig with a token, or the service account of the agent's pod",
	}
}

// unansweredError is a request to the API server that was not answered by it.
type unansweredError struct {
	// host and port of the API server; proxy is empty without one.
	host, proxy  string
	byKubeconfig bool
	err          error
	// ended is true when the request's own time was over.
	ended bool
}

func (u *unansweredError) Error() string {
	through := ""
	if u.proxy != "" {
		through = " through the proxy " + u.proxy
	}
	var operation *net.OpError
	switch {
	case u.refusedByProxy():
		return fmt.Sprintf("the proxy %s refuses the connection to %s: %v", u.proxy, u.host, u.err)
	case u.proxy != "" && errors.As(u.err, &operation) && operation.Op == "proxyconnect" && IsTimeout(u.err):
		return fmt.Sprintf("no answer from the proxy %s, through which %s is reached", u.proxy, u.host)
	case IsTimeout(u.err), IsContextError(u.err):
		return fmt.Sprintf("no answer from %s%s", u.host, through)
	}
	return fmt.Sprintf("%v%s", u.err, through)
}

// refusedByProxy is true for a proxy's refusal of CONNECT, of which net/http
// tells the status text alone.
func (u *unansweredError) refusedByProxy() bool {
	if u.proxy == "" || u.err == nil {
		return false
	}
	codes := []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	return slices.ContainsFunc(codes, func(code int) bool { return u.err.Error() == http.StatusText(code) })
}

// Unwrap returns what failed. A time limit of the dialer's own is not the end of
// a context, though net says so.
func (u *unansweredError) Unwrap() error {
	if !u.ended && IsContextError(u.err) {
		return nil
	}
	return u.err
}

// IsUnanswered is true for a request that got no answer of the API server: not
// from it, or not even from the credential plugin.
func IsUnanswered(err error) bool {
	lost, failed := (*unansweredError)(nil), (*pluginError)(nil)
	return errors.As(err, &lost) || errors.As(err, &failed)
}

// hints say what to do about it.
func (u *unansweredError) hints() []string {
	if u.proxy == "" {
		return nil
	}
	if u.byKubeconfig {
		return []string{"the kubeconfig names the proxy, in proxy-url of the cluster: check it, or take it out where the API server is reached without"}
	}
	host, _, err := net.SplitHostPort(u.host)
	if err != nil {
		host = u.host
	}
	return []string{fmt.Sprintf("the environment names the proxy (HTTPS_PROXY); if %s is reached without, add it to what is there already: NO_PROXY=%s", host, host)}
}

// hostPort is where a URL leads, with its port.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
