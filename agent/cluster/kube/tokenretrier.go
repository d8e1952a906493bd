package kube

import (
	"net/http"
	"os"
	"strings"
)

// tokenRetrier sends a request once more, with the token that is in the file by
// then, when the API server does not accept the one that it was sent with.
// client-go keeps a token for up to a minute after it has read it, and a build
// would fail beside the one that the kubelet has renewed.
type tokenRetrier struct {
	next http.RoundTripper
	file string
}

// WrappedRoundTripper returns what is wrapped, as client-go wants it.
func (r tokenRetrier) WrappedRoundTripper() http.RoundTripper { return r.next }

// RoundTrip implements http.RoundTripper.
func (r tokenRetrier) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.next.RoundTrip(request)
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	token, readErr := os.ReadFile(r.file)
	if readErr != nil {
		return answer, nil // the refusal is what happened
	}
	again, ok := repeated(request)
	if !ok {
		return answer, nil // the same
	}
	_ = answer.Body.Close() // nobody reads it
	// The transports below leave a request alone that has a credential.
	again.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return r.next.RoundTrip(again)
}

// repeated returns a request that was sent once more, false if its body cannot be
// read again.
func repeated(request *http.Request) (*http.Request, bool) {
	again := request.Clone(request.Context())
	if request.Body == nil || request.Body == http.NoBody {
		return again, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	again.Body = body
	return again, err == nil
}
