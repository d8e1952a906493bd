package kube

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// refusalRetrier sends a request again that the API server refuses although it
// has allowed its like to this client before. An API server that has just
// started accepts connections before it has read its roles, and refuses
// everybody until then (https://github.com/kubernetes/kubernetes/issues/121635);
// a build in its middle would end for want of a right that it has. A right that
// was taken away meanwhile is missed some seconds later.
type refusalRetrier struct {
	next  http.RoundTripper
	log   zerolog.Logger
	pause time.Duration // between two tries

	mu      sync.Mutex
	allowed map[string]bool // by likeness
}

// refusalTries is how often a request is sent that was allowed before: over ten
// seconds with refusalPause.
const (
	refusalTries = 21
	refusalPause = 500 * time.Millisecond
)

func newRefusalRetrier(next http.RoundTripper, log zerolog.Logger) *refusalRetrier {
	return &refusalRetrier{next: next, log: log, pause: refusalPause, allowed: map[string]bool{}}
}

// WrappedRoundTripper returns what is wrapped, as client-go wants it.
func (r *refusalRetrier) WrappedRoundTripper() http.RoundTripper { return r.next }

// RoundTrip implements http.RoundTripper.
func (r *refusalRetrier) RoundTrip(request *http.Request) (*http.Response, error) {
	like := likeness(request)
	for try := 1; ; try++ {
		answer, err := r.next.RoundTrip(request)
		if err != nil || answer.StatusCode != http.StatusForbidden {
			if err == nil && answer.StatusCode < http.StatusBadRequest {
				r.mu.Lock()
				r.allowed[like] = true
				r.mu.Unlock()
			}
			return answer, err
		}
		r.mu.Lock()
		allowed := r.allowed[like]
		r.mu.Unlock()
		if !allowed || try == refusalTries || !lacksRight(answer) {
			return answer, nil
		}
		again, ok := repeated(request)
		if !ok {
			return answer, nil // the refusal is what happened
		}
		pause := time.NewTimer(r.pause)
		select {
		case <-request.Context().Done():
			pause.Stop()
			return answer, nil
		case <-pause.C:
		}
		_ = answer.Body.Close() // nobody reads it
		r.log.Debug().Str("request", like).Int("try", try+1).Msg("the API server refuses what it has allowed before; trying again")
		request = again
	}
}

// lacksRight tells whether a refusal is for want of a right. Quota, pod security and
// webhooks refuse with the same status, and for good. It leaves the answer readable.
func lacksRight(answer *http.Response) bool {
	// An error comes again when the rest is read.
	start, _ := io.ReadAll(io.LimitReader(answer.Body, refusalSize))
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), answer.Body), answer.Body}
	// The same words in JSON and in protobuf.
	return bytes.Contains(start, []byte(" is forbidden: User ")) && bytes.Contains(start, []byte(" cannot "))
}

// refusalSize is how much of a refusal is looked at, in bytes.
const refusalSize = 16 << 10

var namedPod = regexp.MustCompile(`/pods/[^/]+`)

// likeness is a request without what changes from one pod to the other; roles
// speak of pods in general.
func likeness(request *http.Request) string {
	return request.Method + " " + namedPod.ReplaceAllString(request.URL.Path, "/pods/POD")
}
