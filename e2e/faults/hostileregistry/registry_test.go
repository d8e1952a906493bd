package hostileregistry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// start serves a registry on this machine and returns its URL.
func start(t *testing.T, r *Registry) string {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return server.URL
}

// get asks for a path with a header Authorization and returns status and
// challenge of the answer and at most n bytes of it.
func get(ctx context.Context, t *testing.T, url, authorization string, n int64) (status int, challenge, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, n))
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("WWW-Authenticate"), string(content)
}

// A registry without faults is one, so that a fault is what makes a client fail.
func TestWellBehaved(t *testing.T) {
	r := &Registry{}
	url := start(t, r)
	if status, challenge, _ := get(t.Context(), t, url+"/v2/", "", 1); status != http.StatusUnauthorized || !strings.Contains(challenge, "/token") {
		t.Errorf("%d, %q", status, challenge)
	}
	for path, want := range map[string]string{
		"/token":                          token,
		"/v2/app/manifests/1":             Digest(layer),
		"/v2/app/blobs/" + Digest(config): "amd64",
	} {
		if status, _, body := get(t.Context(), t, url+path, "Bearer "+token, 1<<20); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %q", path, status, body)
		}
	}
	if given := r.Given(); len(given) > 0 {
		t.Errorf("its own token is told as a secret: %q", given)
	}
	get(t.Context(), t, url+"/token", "Basic c2VjcmV0", 1)
	if given := strings.Join(r.Given(), " "); !strings.Contains(given, "Basic c2VjcmV0") {
		t.Errorf("a secret is not told: %q", given)
	}
}

func TestFaultsHaveNoEnd(t *testing.T) {
	url := start(t, &Registry{Token: Flood("application/json", `{"token":"`, 0), Manifest: Drip})
	if _, _, body := get(t.Context(), t, url+"/token", "", 5<<20); len(body) != 5<<20 {
		t.Errorf("%d bytes", len(body))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, _, body := get(ctx, t, url+"/v2/app/manifests/1", "Bearer "+token, 2); body != "  " {
		t.Errorf("%q", body)
	}
}
