package kube

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestTokenIsRenewed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	valid, requests := "first", 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		requests++
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer "+valid {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`)
			return
		}
		if body, _ := io.ReadAll(r.Body); r.Method == http.MethodPost && !strings.Contains(string(body), "made") {
			t.Errorf("the request that was sent again has the body %q", body)
		}
		_, _ = io.WriteString(w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"made"}}`)
	}))
	t.Cleanup(server.Close)
	rotate := func(token string) {
		mu.Lock()
		defer mu.Unlock()
		valid, requests = token, 0
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return requests
	}
	write("first")
	c, err := New(&rest.Config{Host: server.URL, BearerTokenFile: file}, Identity{}, "", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	create := func(ctx context.Context) error {
		_, err := c.ConfigMaps("ci").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "made"}}, metav1.CreateOptions{})
		return err
	}
	if err := create(t.Context()); err != nil {
		t.Fatal(err)
	}
	write("second")
	rotate("second")
	if err := create(t.Context()); err != nil {
		t.Errorf("after the token was renewed: %v", err)
	}
	// A file with a token that is not valid either is the end, after one try more.
	rotate("third")
	if err := create(t.Context()); !apierrors.IsUnauthorized(err) || count() != 2 {
		t.Errorf("%v after %d requests, want a refusal after 2", err, count())
	}
}
