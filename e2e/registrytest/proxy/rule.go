package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"regexp"
	"time"
)

// Rule says which requests meet with a fault. Of several rules for a request
// the first counts.
type Rule struct {
	// Method is the request's; empty for any.
	Method string
	// Path is searched for in the path of the URL; nil for any.
	Path *regexp.Regexp
	// Client is the IP address of the client, a pod's own; empty for any.
	Client string
	// Skip is how many of these requests pass before the fault, and Times how
	// many then meet it; 0 for all.
	Skip, Times int
	// Fault is what happens to them.
	Fault Fault
}

// Fault is what happens to a request. The zero Fault is none.
type Fault struct {
	// name is what the log says of it.
	name   string
	status int
	header http.Header
	// cutRequest and cutResponse are after how many bytes of a body the
	// connection is cut, where cuts says so.
	cutsRequest, cutsResponse bool
	after                     int64
	delay                     time.Duration
	release                   <-chan struct{}
	answer                    http.Handler // nil for the registry itself
}

// Status answers with that status and those headers, and asks no registry:
// 503, or 429 with Retry-After.
func Status(code int, header http.Header) Fault {
	return Fault{name: http.StatusText(code), status: code, header: header}
}

// Answer lets a handler answer in the registry's place.
func Answer(name string, handler http.Handler) Fault { return Fault{name: name, answer: handler} }

// CutRequest cuts the connection once that many bytes of the request's body
// have gone to the registry. A shorter body passes.
func CutRequest(after int64) Fault {
	return Fault{name: "request cut", cutsRequest: true, after: after}
}

// CutResponse cuts the connection once that many bytes of the response's body
// have gone to the client. A shorter body passes.
func CutResponse(after int64) Fault {
	return Fault{name: "response cut", cutsResponse: true, after: after}
}

// Delay lets a request wait before it goes on.
func Delay(d time.Duration) Fault { return Fault{name: "delayed", delay: d} }

// Hold lets a request wait until release is closed, or its client gives up.
func Hold(release <-chan struct{}) Fault { return Fault{name: "held", release: release} }

// errCut is what the proxy fails with where it cuts a connection itself.
var errCut = errors.New("cut by a rule")

// rule is a Rule and how many requests it was for.
type rule struct {
	Rule
	seen int
}

// takes tells whether the rule is for the request. It counts only those
// that it is for.
func (r *rule) takes(method, path, client string) bool {
	if r.Method != "" && r.Method != method || r.Client != "" && r.Client != client || r.Path != nil && !r.Path.MatchString(path) {
		return false
	}
	r.seen++
	return r.seen > r.Skip && (r.Times == 0 || r.seen <= r.Skip+r.Times)
}

// wait waits as long as the fault says, or until the client or the proxy is
// gone.
func (p *Proxy) wait(ctx context.Context, f Fault) {
	if f.delay == 0 && f.release == nil {
		return
	}
	var over <-chan time.Time
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-f.release:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	case <-p.closing: // the context of a request with an unread body does not end with it
		panic(http.ErrAbortHandler)
	}
}

// refuse answers in the registry's place.
func refuse(w http.ResponseWriter, r *http.Request, f Fault) {
	// A client that still sends when the connection closes may never read the
	// answer. What it sends is nobody's, nor is an error of it.
	_, _ = io.Copy(io.Discard, r.Body)
	maps.Copy(w.Header(), f.header)
	w.WriteHeader(f.status)
}

// Add adds a rule after those that there are.
func (p *Proxy) Add(r Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, &rule{Rule: r})
}

// Clear takes all rules away; requests that meet a fault already go on with it.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// fault is the first rule's that takes the request. Rules after it do not see
// the request. The caller holds the lock.
func (p *Proxy) fault(method, path, client string) Fault {
	for _, r := range p.rules {
		if r.takes(method, path, client) {
			return r.Fault
		}
	}
	return Fault{}
}
