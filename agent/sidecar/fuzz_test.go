package sidecar

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/registry"
)

// FuzzToken posts bodies to the API: whatever they are, the answer is JSON with a status, and
// a registry is asked for tokens of registries that are given out only, to push only where
// that is allowed.
func FuzzToken(f *testing.F) {
	f.Add(`{"host":"registry.example","repository":"team/app","push":true}`)
	f.Add(`{"host":"registry.example","repository":"team/../other","push":true}`)
	f.Add(`{"host":"Registry.Example:443","repository":"a@sha256:b"}`)
	f.Add(`{"host":"registry.example","repository":"other/app","push":true}{"push":false}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, body string) {
		credentials, tokens := newCredentials(t, "registry.example/team/**")
		s := Sidecar{Credentials: credentials, Log: zerolog.Nop()}
		answer := httptest.NewRecorder()
		s.token(answer, httptest.NewRequest(http.MethodPost, api.TokenPath, strings.NewReader(body)))
		if answer.Code != http.StatusOK && !strings.Contains(answer.Body.String(), `"error"`) {
			t.Errorf("%q: status %d with %q", body, answer.Code, answer.Body)
		}
		for _, asked := range tokens.asked {
			if !credentials.hosts[registry.CanonicalHost(asked.Host)] || asked.Push && !strings.HasPrefix(asked.Repository, "team/") || slices.Contains(strings.Split(asked.Repository, "/"), "..") {
				t.Errorf("%q: the registry is asked for %+v", body, asked)
			}
		}
	})
}

// FuzzAffinity chooses among pods by what a client sends as its affinity: each is in the
// order once, and the order is the same the next time.
func FuzzAffinity(f *testing.F) {
	f.Add("gitlab.example/team/app")
	f.Add("")
	f.Add("\x00\xff,,\n")
	f.Fuzz(func(t *testing.T, key string) {
		pods := []kube.Pod{{Name: "a"}, {Name: "b"}, {Name: "c"}}
		names := func() (names []string) {
			for _, pod := range cluster.Order(pods, configmap.LoadBalanceSticky, key) {
				names = append(names, pod.Name)
			}
			return names
		}
		first := names()
		if again := names(); !slices.Equal(first, again) {
			t.Errorf("%q: %q, and then %q", key, first, again)
		}
		if slices.Sort(first); !slices.Equal(first, []string{"a", "b", "c"}) {
			t.Errorf("%q: %q", key, first)
		}
	})
}
