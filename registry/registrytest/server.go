package registrytest

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	gcr "github.com/google/go-containerregistry/pkg/registry"
)

// Server is a registry in memory that can be made to fail.
type Server struct {
	*httptest.Server
	// Host is host:port.
	Host string

	mu sync.Mutex
	// fault answers a request instead of the registry when it returns true.
	fault func(w http.ResponseWriter, r *http.Request) bool
	// change, unless nil, changes the header and the status of an answer.
	change func(r *http.Request, header http.Header, code int) int
	// Seen are the requests, METHOD PATH.
	Seen []string
}

// NewServer starts a server without TLS; the test ends it.
func NewServer(t *testing.T) *Server { return StartServer(t, (*httptest.Server).Start) }

// NewReferrersServer starts a server without TLS that keeps lists of referrers.
func NewReferrersServer(t *testing.T) *Server {
	return startServer(t, (*httptest.Server).Start, gcr.WithReferrersSupport(true))
}

// StartServer starts a server as start says, with TLS or without. Like many
// registries it keeps no lists of referrers.
func StartServer(t *testing.T, start func(*httptest.Server)) *Server { return startServer(t, start) }

func startServer(t *testing.T, start func(*httptest.Server), options ...gcr.Option) *Server {
	t.Helper()
	s := &Server{}
	inner := gcr.New(append(options, gcr.Logger(log.New(io.Discard, "", 0)))...)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.Seen = append(s.Seen, r.Method+" "+r.URL.Path)
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
	s.Host = strings.TrimPrefix(strings.TrimPrefix(s.URL, "https://"), "http://")
	return s
}

// Fail has fault answer the requests for which it returns true; nil ends that.
func (s *Server) Fail(fault func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Count is how many requests with the method went to a path that holds part.
func (s *Server) Count(method, part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, one := range s.Seen {
		if strings.HasPrefix(one, method+" ") && strings.Contains(one, part) {
			n++
		}
	}
	return n
}

// Alter has the server change its answers, as oddities do that are no refusal.
func (s *Server) Alter(change func(r *http.Request, header http.Header, code int) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change = change
}

type altering struct {
	http.ResponseWriter
	r      *http.Request
	change func(r *http.Request, header http.Header, code int) int
}

// WriteHeader implements http.ResponseWriter.
func (a *altering) WriteHeader(code int) {
	a.ResponseWriter.WriteHeader(a.change(a.r, a.Header(), code))
}

// FirstTimes is a fault for the first n requests that match.
func FirstTimes(n int, match func(*http.Request) bool, fault http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
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

// Status is a fault that answers with a status alone.
func Status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// Cut is a fault that breaks the connection.
func Cut(w http.ResponseWriter, _ *http.Request) {
	if hijacker, ok := w.(http.Hijacker); ok {
		if conn, _, err := hijacker.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}
