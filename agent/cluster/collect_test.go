package cluster

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// dialTo is a client of an API server that is a handler.
func dialTo(t *testing.T, api http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	client, err := newTestClient(&rest.Config{Host: server.URL}, kube.Identity{Namespace: "ci"}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestSleep scales only what is still as it was seen.
func TestSleep(t *testing.T) {
	refusal := func(code int32, reason metav1.StatusReason, message string) *metav1.Status {
		return &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason, Code: code, Message: message}
	}
	for _, tt := range []struct {
		name   string
		answer *metav1.Status
		want   error
		reason kube.Reason
		hint   string
	}{
		{name: "idle"},
		{name: "changed", answer: refusal(409, metav1.StatusReasonConflict, "the object has been modified"), want: ErrChanged},
		{
			name:   "no right",
			answer: refusal(403, metav1.StatusReasonForbidden, `statefulsets.apps "b" is forbidden: User "system:serviceaccount:ci:gc" cannot patch resource "statefulsets/scale" in API group "apps" in the namespace "ci"`),
			reason: kube.ReasonForbidden, hint: "name: slipway-gc",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := dialTo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got := r.Method + " " + r.URL.Path + "?" + r.URL.RawQuery + " " + string(body)
				const want = `PATCH /apis/apps/v1/namespaces/ci/statefulsets/b/scale?fieldManager=slipway {"metadata":{"resourceVersion":"41"},"spec":{"replicas":0}}`
				if got != want {
					t.Errorf("got %s\nwant %s", got, want)
				}
				w.Header().Set("Content-Type", "application/json")
				answer := any(map[string]any{"apiVersion": "autoscaling/v1", "kind": "Scale"})
				if tt.answer != nil {
					w.WriteHeader(int(tt.answer.Code))
					answer = tt.answer
				}
				if err := json.NewEncoder(w).Encode(answer); err != nil {
					t.Error(err)
				}
			}))
			err := client.Sleep(t.Context(), Status{Kind: manifest.KindStatefulSet, Namespace: "ci", Name: "b", version: "41"})
			known := (*kube.Error)(nil)
			switch {
			case tt.reason != "":
				if !errors.As(err, &known) || known.Reason != tt.reason || !strings.Contains(strings.Join(known.Hints(), "\n"), tt.hint) {
					t.Errorf("got %v, want reason %s with the hint %q", err, tt.reason, tt.hint)
				}
			case !errors.Is(err, tt.want):
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestCollection lists what Slipway made and removes one of it, with the files
// that only its pods tell of.
func TestCollection(t *testing.T) {
	type object = map[string]any
	made := metav1.NewTime(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	thing := func(apiVersion, kind, plural, name string, labels object) object {
		labels["app"], labels["app.kubernetes.io/managed-by"] = "b", "slipway"
		return object{"apiVersion": apiVersion, "kind": kind, "metadata": object{
			"name": name, "namespace": "ci", "uid": "uid-of-" + plural + "/" + name, "labels": labels, "creationTimestamp": made,
		}}
	}
	list := func(apiVersion, kind string, items ...object) object {
		return object{"apiVersion": apiVersion, "kind": kind, "items": items}
	}
	deployment := thing("apps/v1", "Deployment", "deployments", "b", object{"slipway.build/owner": "ours"})
	deployment["spec"] = object{"template": object{"spec": object{"volumes": []object{
		{"name": "config", "projected": object{"sources": []object{{"configMap": object{"name": "b-config"}}, {"secret": object{"name": "b-config"}}}}},
		{"name": "config-1", "secret": object{"secretName": "b-config-1"}},
		{"name": "tls", "secret": object{"secretName": "b-tls"}},
		{"name": "theirs", "secret": object{"secretName": "registry"}},
	}}}}
	labels := object{}
	first := thing("apps/v1", "StatefulSet", "statefulsets", "a", labels)
	labels["app"] = "a" // unlike "half", which is b's by its label
	api := &fakeObjects{t: t, by: map[string]any{
		"deployments":         list("apps/v1", "DeploymentList", deployment),
		"statefulsets":        list("apps/v1", "StatefulSetList", first, thing("apps/v1", "StatefulSet", "statefulsets", "half", object{})),
		"deployments/b":       deployment,
		"configmaps":          list("v1", "ConfigMapList", thing("v1", "ConfigMap", "configmaps", "b-config", object{})),
		"configmaps/b-config": object{"kind": "Status", "apiVersion": "v1"},
		"secrets/b-tls":       thing("v1", "Secret", "secrets", "b-tls", object{}),
		"secrets/b-config":    thing("v1", "Secret", "secrets", "b-config", object{}),
		"secrets/b-config-1":  thing("v1", "Secret", "secrets", "b-config-1", object{}),
		"secrets/registry":    thing("v1", "Secret", "secrets", "registry", object{}),
	}}
	client := dialTo(t, api)
	found, err := client.Made(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	want := []Made{
		{Kind: manifest.KindStatefulSet, Namespace: "ci", Name: "a", Created: made.Time},
		{Kind: manifest.KindDeployment, Namespace: "ci", Name: "b", Owner: "ours", Created: made.Time},
	}
	if diff := cmp.Diff(want, found, cmpopts.IgnoreUnexported(Made{})); diff != "" {
		t.Fatalf("found (-want +got):\n%s", diff)
	}
	if manifest.Kind(found[0].Node()) != manifest.KindStatefulSet || manifest.Kind(found[1].Node()) != manifest.KindDeployment {
		t.Error("a workload becomes a node of the other kind")
	}
	plan, err := client.PlanCollection(t.Context(), found[1], false)
	if err != nil {
		t.Fatal(err)
	}
	if len(api.deleted) > 0 {
		t.Errorf("the plan deletes %q", api.deleted)
	}
	if err := plan.Remove(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"deployments/b", "configmaps/b-config", "secrets/b-tls", "secrets/b-config", "secrets/b-config-1"}, api.deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	api.forbidden = "secrets/b-tls"
	_, err = client.PlanCollection(t.Context(), found[1], false)
	if known := (*kube.Error)(nil); !errors.As(err, &known) || !strings.Contains(strings.Join(known.Hints(), "\n"), "name: slipway-gc") {
		t.Errorf("without the right: %v", err)
	}
}
