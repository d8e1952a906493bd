package builders

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// sleepers is an API server with Deployments that have no pods. It remembers
// what was changed.
type sleepers struct {
	t      *testing.T
	owners map[string]string // by name
	apps   map[string]string // by name, where the label app is not the name

	mu      sync.Mutex
	changed []string
}

func (s *sleepers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	type object = map[string]any
	deployment := func(name string) object {
		app, other := s.apps[name]
		if !other {
			app = name
		}
		return object{"apiVersion": "apps/v1", "kind": "Deployment", "spec": object{"replicas": 0}, "metadata": object{
			"name": name, "namespace": "ci", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z",
			"labels": object{"app": app, "app.kubernetes.io/managed-by": "slipway", "slipway.build/owner": s.owners[name]},
		}}
	}
	_, what, _ := strings.Cut(r.URL.Path, "/namespaces/ci/")
	kind, name, _ := strings.Cut(what, "/")
	if r.Method != http.MethodGet {
		s.mu.Lock()
		s.changed = append(s.changed, r.Method+" "+what)
		s.mu.Unlock()
	}
	answer := object{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
	switch {
	case kind == "deployments" && name == "":
		var items []object
		for name := range s.owners {
			items = append(items, deployment(name))
		}
		answer = object{"apiVersion": "apps/v1", "kind": "DeploymentList", "items": items}
	case kind == "deployments":
		answer = deployment(name)
	case kind == "statefulsets":
		answer = object{"apiVersion": "apps/v1", "kind": "StatefulSetList"}
	case kind == "pods":
		answer = object{"apiVersion": "v1", "kind": "PodList"}
	case kind == "configmaps":
		answer = object{"apiVersion": "v1", "kind": "ConfigMapList"}
	}
	w.Header().Set("Content-Type", "application/json")
	if answer["code"] == 404 {
		w.WriteHeader(http.StatusNotFound)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.t.Error(err)
	}
}

// access is that to an API server.
func access(t *testing.T, url string) cluster.Access {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u, namespace: ci}}], clusters: [{name: c, cluster: {server: '%s'}}], users: [{name: u, user: {token: t}}]}", url)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return cluster.Access{Access: kube.Access{Kubeconfig: path}}
}

// TestCollect has definitions that share a workload and an owner, of which one
// is to be looked at.
func TestCollect(t *testing.T) {
	node := func(name, owner string) configmap.Node {
		return configmap.Node{Name: name, Kubernetes: &configmap.Kubernetes{Owner: owner}}
	}
	kube := configmap.Definition{Name: "kube", Nodes: []configmap.Node{node("mine", "ours"), {Name: "far", Remote: &configmap.Remote{}}}}
	also := configmap.Definition{Name: "also", Nodes: []configmap.Node{node("yours", "ours"), node("mine", "ours")}}
	nobody := configmap.Definition{Name: "nobody", Nodes: []configmap.Node{node("mine", "")}}
	for _, tt := range []struct {
		name    string
		collect Collect
		want    []string
		changed []string
	}{
		{
			name:    "one of two",
			collect: Collect{Known: []configmap.Definition{kube, also}, Chosen: []configmap.Definition{kube}},
			want: []string{
				"left kube/mine: it is scaled to zero already",
				"removed orphan: no definition has it",
				"left theirs: its owner is theirs",
			},
			changed: []string{"DELETE deployments/orphan"},
		},
		{
			name:    "a dry run of all",
			collect: Collect{Known: []configmap.Definition{kube, also}, Chosen: []configmap.Definition{kube, also}, DryRun: true},
			want: []string{
				"left kube/mine: it is scaled to zero already",
				"removed orphan: no definition has it",
				"left theirs: its owner is theirs",
				"left also/yours: it is scaled to zero already",
			},
		},
		{
			name:    "no owner",
			collect: Collect{Known: []configmap.Definition{nobody}, Chosen: []configmap.Definition{nobody}},
			want:    []string{"left nobody/mine: it is scaled to zero already"},
		},
		{
			name:    "an owner besides",
			collect: Collect{Known: []configmap.Definition{nobody, also}, Chosen: []configmap.Definition{nobody}, Owners: []string{"theirs"}},
			want: []string{
				"left nobody/mine: it is scaled to zero already",
				"left orphan: its owner is ours",
				"removed theirs: no definition has it",
			},
			changed: []string{"DELETE deployments/theirs"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			api := &sleepers{t: t, owners: map[string]string{"mine": "ours", "yours": "ours", "orphan": "ours", "theirs": "theirs", "half": "ours"}, apps: map[string]string{"half": "another"}}
			server := httptest.NewServer(api)
			defer server.Close()
			tt.collect.Access, tt.collect.Log = access(t, server.URL), zerolog.Nop()
			done, err := tt.collect.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, one := range done {
				who := one.Name
				if one.Builder != "" {
					who = one.Builder + "/" + one.Node
				}
				got = append(got, fmt.Sprintf("%s %s: %s", one.Action, who, one.Reason))
				if one.DryRun != tt.collect.DryRun {
					t.Errorf("%s: dry run %t", who, one.DryRun)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !slices.Equal(api.changed, tt.changed) {
				t.Errorf("changed %q, want %q", api.changed, tt.changed)
			}
		})
	}
}

// TestTheMostPatientDefinitionCounts has workloads in several definitions.
func TestTheMostPatientDefinitionCounts(t *testing.T) {
	const never = time.Duration(0)
	pods := newCollector(access(t, "http://127.0.0.1:1"), zerolog.Nop())
	for _, tt := range []struct{ first, second, want time.Duration }{
		{time.Minute, time.Hour, time.Hour},
		{time.Hour, time.Minute, time.Hour},
		{never, time.Hour, never},
		{time.Hour, never, never},
		{time.Hour, time.Hour, time.Hour},
	} {
		var c Collect
		for _, idle := range []time.Duration{tt.first, tt.second} {
			c.Known = append(c.Known, configmap.Definition{Nodes: []configmap.Node{{Name: "a_b", Kubernetes: &configmap.Kubernetes{IdleTimeout: idle}}}})
		}
		known, err := c.known(pods)
		if err != nil {
			t.Fatal(err)
		}
		if got, named := known[place{"ci", "a-b"}]; !named || got != tt.want || len(known) != 1 {
			t.Errorf("%s and %s: %v, want %s", tt.first, tt.second, known, tt.want)
		}
	}
}
