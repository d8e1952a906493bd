package cluster

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// fakeAnswers is an API server that has one answer for each request, "POST
// deployments": a status code, or an object as JSON. It remembers the requests.
type fakeAnswers struct {
	t    *testing.T
	by   map[string]any
	mu   sync.Mutex
	seen []string
}

func (a *fakeAnswers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	request := r.Method + " " + parts[len(parts)-1]
	if r.Method != http.MethodPost { // the last part is the object's name
		request = r.Method + " " + parts[len(parts)-2]
	}
	a.mu.Lock()
	a.seen = append(a.seen, request)
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer, ok := a.by[request]
	if !ok {
		a.t.Errorf("unexpected request %s", request)
		answer = http.StatusInternalServerError
	}
	if code, ok := answer.(int); ok && code >= 400 {
		reason := map[int]metav1.StatusReason{404: metav1.StatusReasonNotFound, 409: metav1.StatusReasonAlreadyExists, 403: metav1.StatusReasonForbidden}[code]
		message := string(reason)
		if code == http.StatusForbidden { // the words of the RBAC authorizer
			message = `deployments.apps is forbidden: User "system:serviceaccount:ci:agent" cannot create resource "deployments" in API group "apps" in the namespace "ci"`
		}
		w.WriteHeader(code)
		answer = metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Reason: reason, Code: int32(code), Message: message,
		}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

func TestEnsure(t *testing.T) {
	type object = map[string]any
	asOfBuildx := object{
		"metadata": object{"labels": object{"app": "builder-amd64"}},
		"spec":     object{"containers": []object{{"name": "buildkitd"}}},
	}
	ours := func(data string) object {
		return object{
			"apiVersion": "v1", "kind": "ConfigMap", "data": object{"buildkitd.toml": data},
			"metadata": object{"name": "builder-amd64-config", "resourceVersion": "7", "labels": object{"app": "builder-amd64", "app.kubernetes.io/managed-by": "slipway"}},
		}
	}
	made := object{"apiVersion": "apps/v1", "kind": "Deployment"}
	written := object{"apiVersion": "v1", "kind": "ConfigMap"}
	withReplicas := func(n int) object {
		return object{"apiVersion": "apps/v1", "kind": "Deployment", "spec": object{"replicas": n, "template": asOfBuildx}}
	}
	config := map[string][]byte{"buildkitd.toml": []byte("debug = true\n")}
	for _, tt := range []struct {
		name   string
		files  map[string][]byte
		by     map[string]any
		seen   []string
		reason kube.Reason
	}{
		{
			name: "absent: created",
			by:   map[string]any{"GET deployments": 404, "GET statefulsets": 404, "POST deployments": made},
			seen: []string{"GET deployments", "GET statefulsets", "POST deployments"},
		},
		{
			name: "another agent was faster",
			by:   map[string]any{"GET deployments": 404, "GET statefulsets": 404, "POST deployments": 409},
			seen: []string{"GET deployments", "GET statefulsets", "POST deployments", "GET deployments"},
		},
		{
			name:  "another agent was faster with the files too",
			files: config,
			by:    map[string]any{"GET deployments": 404, "GET statefulsets": 404, "POST configmaps": 409, "GET configmaps": ours("debug = true\n"), "POST deployments": 409},
			seen:  []string{"GET deployments", "GET configmaps", "GET statefulsets", "POST configmaps", "GET configmaps", "POST deployments", "GET deployments"},
		},
		{
			name:  "files are left of an earlier workload",
			files: config,
			by:    map[string]any{"GET deployments": 404, "GET statefulsets": 404, "POST configmaps": 409, "GET configmaps": ours("old"), "PUT configmaps": written, "POST deployments": made},
			seen:  []string{"GET deployments", "GET configmaps", "GET statefulsets", "POST configmaps", "GET configmaps", "PUT configmaps", "POST deployments"},
		},
		{
			name: "there and awake: left alone",
			by:   map[string]any{"GET deployments": withReplicas(3)},
			seen: []string{"GET deployments"},
		},
		{
			name: "scaled to zero: woken",
			by:   map[string]any{"GET deployments": withReplicas(0), "PATCH builder-amd64": object{"apiVersion": "autoscaling/v1", "kind": "Scale"}},
			seen: []string{"GET deployments", "PATCH builder-amd64"},
		},
		{
			name:   "of the other kind: left alone",
			by:     map[string]any{"GET deployments": 404, "GET statefulsets": object{"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": object{"template": asOfBuildx}}},
			seen:   []string{"GET deployments", "GET statefulsets"},
			reason: kube.ReasonDefinition,
		},
		{
			name: "not allowed to look for the other kind",
			by:   map[string]any{"GET deployments": 404, "GET statefulsets": 403, "POST deployments": made},
			seen: []string{"GET deployments", "GET statefulsets", "POST deployments"},
		},
		{
			name:   "not allowed",
			by:     map[string]any{"GET deployments": 404, "GET statefulsets": 404, "POST deployments": 403},
			seen:   []string{"GET deployments", "GET statefulsets", "POST deployments"},
			reason: kube.ReasonForbidden,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			api := &fakeAnswers{t: t, by: tt.by}
			server := httptest.NewServer(api)
			defer server.Close()
			client, err := newTestClient(&rest.Config{Host: server.URL}, kube.Identity{}, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			w := workload{
				client: client, namespace: "ci", name: "builder-amd64", report: func(string) {},
				node: configmap.Node{Name: "builder-amd64", Files: tt.files, Kubernetes: &configmap.Kubernetes{Image: "buildkit", Replicas: 1, Transport: configmap.TransportExec}},
			}
			err = w.ensure(t.Context())
			known := (*kube.Error)(nil)
			switch {
			case tt.reason == "" && err != nil:
				t.Errorf("ensure: %v", err)
			case tt.reason != "" && (!errors.As(err, &known) || known.Reason != tt.reason):
				t.Errorf("ensure: %v, want reason %s", err, tt.reason)
			}
			if diff := cmp.Diff(tt.seen, sortedReads(api.seen)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// sortedReads are requests with those sorted that are made at once: the reads
// that follow each other, but for the first request.
func sortedReads(seen []string) []string {
	out := slices.Clone(seen)
	for from := 1; from < len(out); {
		to := from
		for to < len(out) && strings.HasPrefix(out[to], "GET ") {
			to++
		}
		slices.Sort(out[from:to])
		from = to + 1
	}
	return out
}

// TestNoWorkloadWithoutCertificates makes what the pods mount before them.
func TestNoWorkloadWithoutCertificates(t *testing.T) {
	secret := map[string]any{"apiVersion": "v1", "kind": "Secret"}
	workload := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}
	for _, tt := range []struct {
		name   string
		by     map[string]any
		pinned configmap.Transport
		before []string // in this order, but for reads
		after  []string // in any
	}{
		{
			name:   "made",
			by:     map[string]any{"GET deployments": 404, "GET statefulsets": 404, "GET secrets": 404, "POST secrets": secret, "POST deployments": workload},
			before: []string{"GET deployments", "GET secrets", "GET secrets", "GET statefulsets", "POST secrets"}, after: []string{"POST deployments", "POST secrets"},
		},
		{
			name:   "no right to: made without",
			by:     map[string]any{"GET deployments": 404, "GET statefulsets": 404, "GET secrets": 403, "POST secrets": 403, "POST deployments": workload},
			before: []string{"GET deployments", "GET secrets", "GET secrets", "GET statefulsets", "POST secrets"}, after: []string{"POST deployments"},
		},
		{
			name:   "no right to, and needed",
			by:     map[string]any{"GET deployments": 404, "GET statefulsets": 404, "GET secrets": 403, "POST secrets": 403},
			pinned: configmap.TransportDirect,
			before: []string{"GET deployments", "GET secrets", "GET secrets", "GET statefulsets", "POST secrets"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			api := &fakeAnswers{t: t, by: tt.by}
			server := httptest.NewServer(api)
			defer server.Close()
			client, err := newPinnedClient(&rest.Config{Host: server.URL}, kube.Identity{Namespace: "ci"}, tt.pinned, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			w := newWorkload(client, clustertest.Node(nil), func(string) {})
			if err := w.ensure(t.Context()); (err == nil) != (len(tt.after) > 0) {
				t.Errorf("ensure: %v", err)
			}
			n := min(len(tt.before), len(api.seen))
			after := slices.Sorted(slices.Values(api.seen[n:]))
			if !slices.Equal(sortedReads(api.seen[:n]), tt.before) || !slices.Equal(after, tt.after) {
				t.Errorf("requests %q, want %q, then %q in any order", api.seen, tt.before, tt.after)
			}
		})
	}
}
