package cluster

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// fakeObjects is an API server with objects by path, which can be listed and deleted.
type fakeObjects struct {
	t         *testing.T
	by        map[string]any
	forbidden string // the path that is
	mu        sync.Mutex
	deleted   []string
}

func (s *fakeObjects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path[strings.LastIndex(r.URL.Path, "/ci/")+len("/ci/"):]
	w.Header().Set("Content-Type", "application/json")
	fail := func(code int, reason metav1.StatusReason, message string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Reason: reason, Code: int32(code), Message: message,
		})
	}
	answer, ok := s.by[path]
	switch {
	case path == s.forbidden:
		fail(403, metav1.StatusReasonForbidden, `secrets "b-tls" is forbidden: User "system:serviceaccount:ci:agent" cannot get resource "secrets" in API group "" in the namespace "ci"`)
		return
	case !ok:
		fail(404, metav1.StatusReasonNotFound, "no "+path)
		return
	case r.Method == http.MethodDelete:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Error(err)
		}
		if !strings.Contains(string(body), "uid-of-"+path) {
			s.t.Errorf("delete %s does not say which: %q", path, body)
		}
		s.mu.Lock()
		s.deleted = append(s.deleted, path)
		s.mu.Unlock()
	case r.URL.Query().Get("labelSelector") != "" && path == "configmaps" && r.URL.Query().Get("labelSelector") != "app=b,app.kubernetes.io/managed-by=slipway":
		s.t.Errorf("configmaps are listed by %q", r.URL.Query().Get("labelSelector"))
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.t.Error(err)
	}
}

func TestRemoval(t *testing.T) {
	type object = map[string]any
	thing := func(apiVersion, kind, plural, name, by string) object {
		return object{"apiVersion": apiVersion, "kind": kind, "metadata": object{
			"name": name, "uid": "uid-of-" + plural + "/" + name, "labels": object{"app": "b", "app.kubernetes.io/managed-by": by},
		}}
	}
	list := func(kind string, items ...object) object {
		return object{"apiVersion": "v1", "kind": kind, "items": items}
	}
	full := func(by string) map[string]any {
		return map[string]any{
			"deployments/b":        thing("apps/v1", "Deployment", "deployments", "b", by),
			"statefulsets/b":       thing("apps/v1", "StatefulSet", "statefulsets", "b", by),
			"configmaps":           list("ConfigMapList", thing("v1", "ConfigMap", "configmaps", "b-config", "slipway")),
			"configmaps/b-config":  object{"kind": "Status", "apiVersion": "v1"},
			"secrets/b-tls":        thing("v1", "Secret", "secrets", "b-tls", "slipway"),
			"secrets/b-tls-client": thing("v1", "Secret", "secrets", "b-tls-client", "Helm"),
			"persistentvolumeclaims": list("PersistentVolumeClaimList",
				thing("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "buildkitd-b-0", ""),
				thing("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "buildkitd-b-other-0", ""),
				thing("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "precious", "")),
			"persistentvolumeclaims/buildkitd-b-0":       object{"kind": "Status", "apiVersion": "v1"},
			"persistentvolumeclaims/buildkitd-b-other-0": object{"kind": "Status", "apiVersion": "v1"},
			"persistentvolumeclaims/precious":            object{"kind": "Status", "apiVersion": "v1"},
		}
	}
	storage := resource.MustParse("1Gi")
	for _, tt := range []struct {
		name      string
		by        map[string]any
		claim     *resource.Quantity
		claims    bool
		forbidden string
		deleted   []string
		kept      int
		reason    kube.Reason
		hint      string
	}{
		{name: "deployment", by: full("slipway"), deleted: []string{"deployments/b", "configmaps/b-config", "secrets/b-tls"}, kept: 1},
		{name: "claims kept", by: full("slipway"), claim: &storage, deleted: []string{"statefulsets/b", "configmaps/b-config", "secrets/b-tls"}, kept: 2},
		{name: "claims too", by: full("slipway"), claim: &storage, claims: true, deleted: []string{"statefulsets/b", "configmaps/b-config", "secrets/b-tls", "persistentvolumeclaims/buildkitd-b-0"}, kept: 1},
		{name: "made by others", by: full("somebody"), reason: kube.ReasonForeign, hint: "kubectl delete --namespace ci deployment b"},
		{name: "nothing there", by: map[string]any{"configmaps": list("ConfigMapList")}},
		{name: "no right", by: full("slipway"), forbidden: "secrets/b-tls", reason: kube.ReasonForbidden, hint: "name: slipway-remove-b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			api := &fakeObjects{t: t, by: tt.by, forbidden: tt.forbidden}
			server := httptest.NewServer(api)
			defer server.Close()
			client, err := newTestClient(&rest.Config{Host: server.URL}, kube.Identity{Namespace: "ci"}, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			node := configmap.Node{Name: "b", Kubernetes: &configmap.Kubernetes{ClaimStorage: tt.claim}}
			plan, err := client.PlanRemoval(t.Context(), node, tt.claims)
			if len(api.deleted) != 0 {
				t.Errorf("the plan deletes %q", api.deleted)
			}
			if tt.reason != "" {
				known := (*kube.Error)(nil)
				if !errors.As(err, &known) || known.Reason != tt.reason || !strings.Contains(strings.Join(known.Hints(), "\n"), tt.hint) {
					t.Fatalf("got %v, want reason %s with the hint %q", err, tt.reason, tt.hint)
				}
				other := configmap.Node{Name: "other", Kubernetes: &configmap.Kubernetes{}}
				elsewhere := configmap.Node{Name: "elsewhere", Kubernetes: &configmap.Kubernetes{Namespace: "x"}}
				hints := strings.Join(fault.Hints(client.OfferRemoval(err, []configmap.Node{node, other, elsewhere})), "\n")
				if all := strings.Contains(hints, "name: slipway-remove-b\n") && strings.Contains(hints, "name: slipway-remove-other\n"); all != (tt.reason == kube.ReasonForbidden) || strings.Contains(hints, "slipway-remove-elsewhere") {
					t.Errorf("for all nodes: %s", hints)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			if err := plan.Remove(t.Context(), func(what string) { told = append(told, what) }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.deleted, api.deleted); diff != "" {
				t.Errorf("deleted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(plan.Objects(), told); diff != "" {
				t.Errorf("planned and told (-planned +told):\n%s", diff)
			}
			if len(plan.Kept) != tt.kept {
				t.Errorf("kept %q, want %d", plan.Kept, tt.kept)
			}
		})
	}
}
