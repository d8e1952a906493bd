package kube

import "net/http"

// observingTransport reports every request when it begins, and calls what it gets
// back when the answer's header is there.
type observingTransport struct {
	next http.RoundTripper
	tell func(request string) func()
}

// RoundTrip implements http.RoundTripper.
func (o observingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	defer o.tell(r.Method + " " + r.URL.Path)()
	return o.next.RoundTrip(r)
}
