package kube

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// roundTrips answers requests with statuses, one after the other.
type roundTrips struct {
	statuses []int
	bodies   []string // that came
	refusal  string   // what a 403 says; empty for refusedByRole
}

const refusedByRole = `{"kind":"Status","message":"pods is forbidden: User \"system:serviceaccount:ci:agent\" cannot list resource \"pods\" in API group \"\" in the namespace \"ci\"","code":403}`

func (r *roundTrips) RoundTrip(request *http.Request) (*http.Response, error) {
	body := ""
	if request.Body != nil {
		text, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	r.bodies = append(r.bodies, body)
	status := r.statuses[0]
	if len(r.statuses) > 1 {
		r.statuses = r.statuses[1:]
	}
	answer := httptest.NewRecorder()
	answer.WriteHeader(status)
	if status == http.StatusForbidden {
		_, _ = answer.WriteString(cmp.Or(r.refusal, refusedByRole))
	}
	return answer.Result(), nil
}

func TestRefusalRetrier(t *testing.T) {
	const pods, otherPods = "/api/v1/namespaces/ci/pods", "/api/v1/namespaces/other/pods"
	for _, tt := range []struct {
		name     string
		before   string // a request that is allowed first; "" for none
		method   string
		path     string
		body     string
		statuses []int // the last one for ever
		want     int
		requests int
		refusal  string // what a 403 says; empty for a missing right
	}{
		{"allowed before, refused for a moment", "GET " + pods, "GET", pods, "", []int{403, 403, 200}, 200, 3, ""},
		{"another pod's log", "GET " + pods + "/a/log", "GET", pods + "/b/log", "", []int{403, 200}, 200, 2, ""},
		{"with a body", "POST " + pods, "POST", pods, "made", []int{403, 201}, 201, 2, ""},
		{"refused for good", "GET " + pods, "GET", pods, "", []int{403}, 403, refusalTries, ""},
		{"never allowed", "", "GET", pods, "", []int{403, 200}, 403, 1, ""},
		{"allowed in another namespace", "GET " + otherPods, "GET", pods, "", []int{403, 200}, 403, 1, ""},
		{"another verb was allowed", "GET " + pods, "POST", pods, "made", []int{403, 201}, 403, 1, ""},
		{"a log was allowed", "GET " + pods + "/a/log", "GET", pods + "/a/exec", "", []int{403, 200}, 403, 1, ""},
		{"no quota left", "POST " + pods, "POST", pods, "made", []int{403, 201}, 403, 1, `pods "a" is forbidden: exceeded quota: small`},
		{"another error", "GET " + pods, "GET", pods, "", []int{500, 200}, 500, 1, ""},
	} {
		next := &roundTrips{statuses: []int{200}}
		r := newRefusalRetrier(next, zerolog.Nop())
		r.pause = time.Nanosecond
		send := func(ctx context.Context, method, path, body string) int {
			request, err := http.NewRequestWithContext(ctx, method, "https://kubernetes"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := r.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode == http.StatusForbidden && string(text) != cmp.Or(tt.refusal, refusedByRole) {
				t.Errorf("%s: the answer is %q, %v", tt.name, text, err)
			}
			_ = answer.Body.Close() // it is in memory
			return answer.StatusCode
		}
		if method, path, ok := strings.Cut(tt.before, " "); ok {
			send(t.Context(), method, path, "")
		}
		next.statuses, next.bodies, next.refusal = tt.statuses, nil, tt.refusal
		got := send(t.Context(), tt.method, tt.path, tt.body)
		if got != tt.want || len(next.bodies) != tt.requests {
			t.Errorf("%s: %d after %d requests, want %d after %d", tt.name, got, len(next.bodies), tt.want, tt.requests)
		}
		for _, body := range next.bodies {
			if body != tt.body {
				t.Errorf("%s: the body %q was sent, want %q", tt.name, body, tt.body)
			}
		}
	}
}

func TestRefusalRetrierIsCancelled(t *testing.T) {
	next := &roundTrips{statuses: []int{200, 403}}
	r := newRefusalRetrier(next, zerolog.Nop())
	r.pause = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, want := range []int{200, 403} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://kubernetes/api/v1/namespaces/ci/pods", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if want == http.StatusForbidden {
			cancel()
		}
		answer, err := r.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close() // it is in memory
		if answer.StatusCode != want {
			t.Errorf("%d, want %d", answer.StatusCode, want)
		}
	}
}
