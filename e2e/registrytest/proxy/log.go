package proxy

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"time"
)

// Request is one request that the proxy has seen. It holds no headers, for
// those hold credentials.
type Request struct {
	Began                       time.Time
	Client, Method, Path        string
	Query                       string
	User                        string // of basic authentication, as it came; empty without
	Status                      int    // 0 where no response began
	RequestBytes, ResponseBytes int64
	// Fault is what a rule did to it, in a word or two; empty for nothing.
	Fault string
	// Done tells that it is over, well or not.
	Done bool
}

// Requests are all requests so far, in the order in which they began.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Request, 0, len(p.log))
	for _, r := range p.log {
		all = append(all, *r)
	}
	return all
}

// Count is how many requests with that method (any, if it is empty) and a path
// in which the expression is found have begun.
func (p *Proxy) Count(method string, path *regexp.Regexp) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count(method, path)
}

func (p *Proxy) count(method string, path *regexp.Regexp) int {
	n := 0
	for _, r := range p.log {
		if (method == "" || method == r.Method) && path.MatchString(r.Path) {
			n++
		}
	}
	return n
}

// Await waits until that many such requests have begun.
func (p *Proxy) Await(ctx context.Context, method string, path *regexp.Regexp, times int) error {
	for {
		p.mu.Lock()
		n, changed := p.count(method, path), p.changed
		p.mu.Unlock()
		if n >= times {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d requests %s %s, of which %d have come: %w", times, method, path, n, ctx.Err())
		case <-changed:
		}
	}
}

// Forget empties the log.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = nil
}

// begin notes a request and finds what is to happen to it.
func (p *Proxy) begin(client string, r *http.Request) (*Request, Fault, *odd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		panic(http.ErrAbortHandler)
	}
	p.handlers.Add(1)
	fault := p.fault(r.Method, r.URL.Path, client)
	user, _, _ := r.BasicAuth()
	request := &Request{Began: time.Now(), User: user, Client: client, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Fault: fault.name}
	p.log = append(p.log, request)
	close(p.changed)
	p.changed = make(chan struct{})
	return request, fault, p.odd
}

func (p *Proxy) end(request *Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	request.Done = true
	p.handlers.Done()
}
