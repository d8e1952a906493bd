package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// errSilence ends an answer that stands still, errSlow one that goes on and on.
var (
	errSilence = errors.New("the registry stopped in the middle of its answer")
	errSlow    = errors.New("the registry sends its answer too slowly")
)

// transport sends requests over the connection of their host and tries again
// what may heal.
type transport struct {
	connections *connections
	limits      limits
	log         zerolog.Logger
	userAgent   string
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	by, tokens := namedBy(request)
	to, err := t.connections.named(request.URL.Host, by, tokens)
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, err
	}
	if t.userAgent != "" && request.Header.Get("User-Agent") == "" {
		request = request.Clone(request.Context())
		request.Header.Set("User-Agent", t.userAgent)
	}
	base := timedTransport{to.forRequest(request), t.limits.paceOf(request)}
	if isOnce(request.Context()) {
		return base.RoundTrip(request)
	}
	tries := &retry.Transport{
		Base:   base,
		Policy: func() retry.Policy { return policy{t.limits, t.log, request, time.Now()} },
	}
	return tries.RoundTrip(request)
}

// namedBy is the registry that has sent a request to another host: by a
// redirect, or as its token service; empty for a request to a registry itself.
func namedBy(request *http.Request) (registry string, tokens bool) {
	if registry = servedBy(request.Context()); registry != "" {
		return registry, true
	}
	if registry = sentBy(request.Context()); registry != "" {
		return registry, false
	}
	first := request
	for first.Response != nil && first.Response.Request != nil { // set for redirects
		first = first.Response.Request
	}
	if first == request {
		return "", false
	}
	return first.URL.Host, false
}

type onceKey struct{}

// once is a context for requests that are not tried again.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

func isOnce(ctx context.Context) bool { return ctx.Value(onceKey{}) != nil }

func (c *connection) forRequest(request *http.Request) http.RoundTripper {
	if request.Method == http.MethodPut && strings.Contains(request.URL.Path, "/blobs/") {
		return c.uploads
	}
	return c.standard
}

// pace is how fast an answer must come: something at least in every window, and
// so many bytes in all the time of one that is spent on reading.
type pace struct {
	window  time.Duration
	minimum int64
}

// minBlobBytes is the pace of blobs, in bytes for a window. What is not a blob
// is read whole, and one window is enough for the largest.
const minBlobBytes = 64 << 10

// paceOf is the pace of the answer to a request. Builders wait for a token for
// a minute only.
func (l limits) paceOf(request *http.Request) pace {
	switch {
	case servedBy(request.Context()) != "":
		return pace{l.answer, maxToken}
	case strings.Contains(request.URL.Path, "/blobs/"):
		return pace{l.silence, minBlobBytes}
	}
	return pace{l.silence, imageindex.MaxManifest}
}

// timedTransport ends answers that stand still for too long, or come too slowly: a
// byte now and then would keep a client waiting for months.
type timedTransport struct {
	base http.RoundTripper
	pace pace
}

// RoundTrip implements http.RoundTripper.
func (w timedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(request.Context())
	response, err := w.base.RoundTrip(request.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	timer := time.AfterFunc(w.pace.window, func() { cancel(errSilence) })
	timer.Stop() // only reads are timed: the reader may have other work first
	response.Body = &timedBody{ReadCloser: response.Body, ctx: ctx, cancel: cancel, timer: timer, pace: w.pace}
	response.Request = request // the caller's own, not the copy
	return response, nil
}

// timedBody is the body of an answer under a timer that every read resets.
type timedBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	pace   pace
	// waited is the time that reads of this window have taken, got their bytes.
	waited time.Duration
	got    int64
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	began := time.Now()
	b.timer.Reset(b.pace.window)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil {
		if errors.Is(context.Cause(b.ctx), errSilence) {
			err = errSilence
		}
		return n, err
	}
	b.waited += time.Since(began)
	b.got += int64(n)
	if b.waited < b.pace.window {
		return n, nil
	}
	if b.got < b.pace.minimum {
		return n, errSlow
	}
	b.waited, b.got = 0, 0
	return n, nil
}

// Close implements io.Closer.
func (b *timedBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
