package proxy

import (
	"io"
	"net/http"
	"sync"
)

// traffic counts the bytes of one request in both directions and ends them
// where a fault says so.
type traffic struct {
	http.ResponseWriter
	request *Request
	mu      *sync.Mutex // of request
	fault   Fault
	sent    int64
}

// Unwrap lets the server's own writer be flushed.
func (t *traffic) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *traffic) WriteHeader(code int) {
	t.note(func(r *Request) { r.Status = code })
	t.ResponseWriter.WriteHeader(code)
}

func (t *traffic) Write(b []byte) (int, error) {
	cut := t.fault.cutsResponse && t.sent+int64(len(b)) > t.fault.after
	if cut {
		b = b[:t.fault.after-t.sent]
	}
	n, err := t.ResponseWriter.Write(b)
	t.sent += int64(n)
	t.note(func(r *Request) { r.ResponseBytes += int64(n) })
	if cut && err == nil {
		err = errCut
	}
	return n, err
}

func (t *traffic) note(change func(*Request)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(t.request)
}

// requestBody is the body as the registry reads it.
func (t *traffic) requestBody(body io.ReadCloser) io.ReadCloser {
	if body == nil || body == http.NoBody {
		return body
	}
	return &countedBody{ReadCloser: body, traffic: t}
}

type countedBody struct {
	io.ReadCloser
	traffic *traffic
	read    int64
}

func (c *countedBody) Read(b []byte) (int, error) {
	f := c.traffic.fault
	if left := f.after - c.read; f.cutsRequest && int64(len(b)) > left {
		if left == 0 {
			return 0, errCut
		}
		b = b[:left]
	}
	n, err := c.ReadCloser.Read(b)
	c.read += int64(n)
	c.traffic.note(func(r *Request) { r.RequestBytes += int64(n) })
	return n, err
}
