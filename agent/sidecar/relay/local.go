package relay

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serve answers a call of the daemon by gRPC's own server, which answers calls that somebody
// else has read.
func (l *link) serve(ctx context.Context, c *sessionCall, body []byte) {
	w := &localAnswer{header: http.Header{}}
	l.server.ServeHTTP(w, requestOf(ctx, c.headers.fields, body))
	head, trailer := w.fields()
	if ctx.Err() != nil && l.gone(c) {
		return
	}
	err := l.daemon.write(nil, &headers{stream: c.daemon, fields: head, end: trailer == nil})
	if err == nil && trailer != nil {
		if err = l.sendData(ctx, c, w.body.Bytes()); err == nil {
			err = l.daemon.write(nil, &headers{stream: c.daemon, fields: trailer, end: true})
		}
	}
	_ = err // the session has ended, or the daemon does not wait any more
}

// gone is true once the daemon has reset the call, or the session has ended.
func (l *link) gone(c *sessionCall) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended || l.calls[c.daemon] != c
}

// sendData sends the answer of this side as the daemon's windows let it.
func (l *link) sendData(ctx context.Context, c *sessionCall, data []byte) error {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer stop()
	for len(data) > 0 {
		l.mu.Lock()
		for !l.ended && l.calls[c.daemon] == c && ctx.Err() == nil && min(l.window, c.window) <= 0 {
			l.changed.Wait()
		}
		if l.ended || l.calls[c.daemon] != c || ctx.Err() != nil {
			l.mu.Unlock()
			return errEnded
		}
		n := int(min(l.window, c.window, maxFrame, int64(len(data))))
		l.window -= int64(n)
		l.owed += int64(n)
		c.window -= int64(n)
		l.mu.Unlock()
		frame := head{length: uint32(n), kind: http2.FrameData, stream: c.daemon}.append(nil)
		if err := l.daemon.write(append(frame, data[:n]...), nil); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// requestOf is a call as net/http has it.
func requestOf(ctx context.Context, fields []hpack.HeaderField, body []byte) *http.Request {
	r := (&http.Request{
		Proto: "HTTP/2.0", ProtoMajor: 2, URL: &url.URL{}, Header: http.Header{}, RemoteAddr: "session",
		Body: io.NopCloser(bytes.NewReader(body)),
	}).WithContext(ctx)
	for _, f := range fields {
		switch f.Name {
		case ":method":
			r.Method = f.Value
		case ":path":
			r.URL.Path = f.Value
		case ":authority":
			r.Host = f.Value
		default:
			if !f.IsPseudo() {
				r.Header.Add(f.Name, f.Value)
			}
		}
	}
	return r
}

// localAnswer is the answer to a call. It implements http.ResponseWriter and http.Flusher.
type localAnswer struct {
	header http.Header
	sent   http.Header // as it was when the answer began
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *localAnswer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *localAnswer) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *localAnswer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush implements http.Flusher.
func (w *localAnswer) Flush() { w.WriteHeader(http.StatusOK) }

// fields are those of the headers, and those of the trailers: all but what was sent before.
// A call that is none of gRPC has an answer without trailers.
func (w *localAnswer) fields() (head, trailer []hpack.HeaderField) {
	w.WriteHeader(http.StatusOK)
	head = append([]hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(w.status)}}, fieldsOf(w.sent)...)
	if w.status != http.StatusOK {
		return head, nil
	}
	late := http.Header{}
	for _, name := range w.sent["Trailer"] {
		if v := w.header[http.CanonicalHeaderKey(name)]; len(v) > 0 {
			late[name] = v
		}
	}
	for name, v := range w.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			late[name] = v
		}
	}
	return head, fieldsOf(late)
}

func fieldsOf(h http.Header) []hpack.HeaderField {
	fields := []hpack.HeaderField{}
	for name, values := range h {
		if name == "Trailer" || name == "Date" || strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		for _, v := range values {
			fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: v})
		}
	}
	slices.SortFunc(fields, func(a, b hpack.HeaderField) int { return strings.Compare(a.Name, b.Name) })
	return fields
}
