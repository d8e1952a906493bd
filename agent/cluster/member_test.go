package cluster

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// TestMembers tells the pods of a workload from those that only bear its label.
func TestMembers(t *testing.T) {
	owner := func(kind, name string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name = kind, name }
	}
	for name, tt := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"of the deployment":                   {func(*corev1.Pod) {}, true},
		"of the statefulset":                  {owner(manifest.KindStatefulSet, "builder-amd64"), true},
		"nobody's":                            {func(p *corev1.Pod) { p.OwnerReferences = nil }, false},
		"owned, not controlled":               {func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil }, false},
		"of another replicaset":               {owner(kindReplicaSet, "other-5f6d"), false},
		"of a replicaset of its own":          {owner(kindReplicaSet, "builder-amd64"), false},
		"with another hash":                   {owner(kindReplicaSet, "builder-amd64-0000"), false},
		"of another statefulset":              {owner(manifest.KindStatefulSet, "builder-amd64-5f6d"), false},
		"of a job":                            {owner("Job", "builder-amd64"), false},
		"of another group":                    {func(p *corev1.Pod) { p.OwnerReferences[0].APIVersion = "example.com/v1" }, false},
		"of the deployment, but no buildkitd": {func(p *corev1.Pod) { p.Spec.Containers[0].Name = "main" }, false},
	} {
		p := clustertest.Pod("a", "hash", true)
		tt.change(p)
		if got := newWorkload(&Client{api: &kube.Client{}}, clustertest.Node(nil), nil).isMember(p); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestImpostorsAreNotListed has pods with the builder's label in a list that
// holds its own pod, too: they cost no request and get no build.
func TestImpostorsAreNotListed(t *testing.T) {
	node := driftNode(configmap.DriftWarn, nil)
	p := newFakeAPI(t).holding(node, nil)
	for _, name := range []string{"aaa", "zzz"} {
		impostor := *p.pods[0].DeepCopy()
		impostor.Name, impostor.UID, impostor.OwnerReferences = name, "uid-"+impostor.UID, nil
		p.pods = append(p.pods, impostor)
	}
	var log strings.Builder
	pods, err := p.client(&log).Up(t.Context(), node, func(string) {})
	if err != nil || len(pods) != 1 || pods[0].Name != p.pods[0].Name {
		t.Errorf("pods %v, error %v, want %s alone", pods, err, p.pods[0].Name)
	}
	if got := p.requests(); !slices.Equal(got, []string{"GET pods"}) {
		t.Errorf("requests %q", got)
	}
}

// fakeOwners is an API server with a workload and perhaps a ReplicaSet.
type fakeOwners struct {
	t          *testing.T
	by         map[string]any // by plural
	forbidden  string
	mayNotExec bool

	mu   sync.Mutex
	seen []string
}

func (c *fakeOwners) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	plural := path.Base(path.Dir(r.URL.Path))
	c.mu.Lock()
	c.seen = append(c.seen, r.Method+" "+plural)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer, ok := c.by[plural]
	switch {
	case c.mayNotExec && plural == "a": // the pod's name, before exec
		w.WriteHeader(http.StatusForbidden)
		answer = metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: 403,
			Message: `pods "a" is forbidden: User "system:serviceaccount:ci:agent" cannot create resource "pods/exec" in API group "" in the namespace "ci"`,
		}
	case plural == c.forbidden:
		w.WriteHeader(http.StatusForbidden)
		answer = metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: 403,
			Message: plural + `.apps "x" is forbidden: User "system:serviceaccount:ci:agent" cannot get resource "` + plural + `" in API group "apps" in the namespace "ci"`,
		}
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		answer = metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: 404}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		c.t.Error(err)
	}
}

// requests are those that were made so far.
func (c *fakeOwners) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.seen)
}

// TestOwnerIsCheckedBeforeExec has pods that name an owner, and what the API
// server says of it.
func TestOwnerIsCheckedBeforeExec(t *testing.T) {
	deployment := func(listens bool) *appsv1.Deployment {
		d := &appsv1.Deployment{
			TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: manifest.KindDeployment},
			ObjectMeta: metav1.ObjectMeta{Name: "builder-amd64", UID: "uid-of-deployment"},
		}
		if listens {
			d.Spec.Template.Annotations = map[string]string{manifest.AnnotationTLS: "name"}
		}
		return d
	}
	set := func(uid, of string) *appsv1.ReplicaSet {
		return &appsv1.ReplicaSet{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: kindReplicaSet},
			ObjectMeta: metav1.ObjectMeta{Name: "builder-amd64-5f6d", UID: types.UID(uid), OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "apps/v1", Kind: manifest.KindDeployment, Name: "builder-amd64", UID: types.UID(of), Controller: new(true)},
			}},
		}
	}
	statefulSet := &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: manifest.KindStatefulSet},
		ObjectMeta: metav1.ObjectMeta{Name: "builder-amd64", UID: "uid-of-statefulset"},
	}
	byStatefulSet := func(uid string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = manifest.KindStatefulSet, "builder-amd64", types.UID(uid)
		}
	}
	for _, tt := range []struct {
		name      string
		pod       func(*corev1.Pod)
		by        map[string]any
		forbidden string
		noExec    bool
		words     string // of the refusal; none for a member
		warns     bool
	}{
		{name: "of the deployment", by: map[string]any{"deployments": deployment(false), "replicasets": set("uid-of-set", "uid-of-deployment")}},
		{name: "of another replicaset", by: map[string]any{"deployments": deployment(false), "replicasets": set("uid-of-other-set", "uid-of-deployment")}, words: "another replicaset than the one named builder-amd64-5f6d"},
		{name: "of a replicaset of nobody's", by: map[string]any{"deployments": deployment(false), "replicasets": set("uid-of-set", "uid-of-other")}, words: "replicaset builder-amd64-5f6d is not the deployment's"},
		{name: "of no replicaset", by: map[string]any{"deployments": deployment(false)}, words: "there is no replicaset builder-amd64-5f6d"},
		{name: "of no workload", by: map[string]any{"replicasets": set("uid-of-set", "uid-of-deployment")}, words: "there is no deployment builder-amd64"},
		{name: "no right to the replicaset", by: map[string]any{"deployments": deployment(false)}, forbidden: "replicasets", warns: true},
		{name: "no right to exec either", by: map[string]any{"deployments": deployment(false)}, forbidden: "replicasets", noExec: true},
		{name: "deaf, without that right", by: map[string]any{"deployments": deployment(true)}, forbidden: "replicasets", warns: true, words: "this one says that it does not"},
		{name: "deaf where the workload listens", by: map[string]any{"deployments": deployment(true), "replicasets": set("uid-of-set", "uid-of-deployment")}, words: "this one says that it does not"},
		{
			name: "listens as the workload does", by: map[string]any{"deployments": deployment(true), "replicasets": set("uid-of-set", "uid-of-deployment")},
			pod: func(p *corev1.Pod) { p.Annotations[manifest.AnnotationTLS] = "name" },
		},
		{name: "of the statefulset", pod: byStatefulSet("uid-of-statefulset"), by: map[string]any{"statefulsets": statefulSet}},
		{name: "of an earlier statefulset", pod: byStatefulSet("uid-of-other"), by: map[string]any{"statefulsets": statefulSet}, words: "another statefulset of that name"},
		{name: "of a statefulset beside the deployment", pod: byStatefulSet("uid-of-statefulset"), by: map[string]any{"deployments": deployment(false), "statefulsets": statefulSet}, words: "none of deployment builder-amd64: its owner is statefulset builder-amd64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			api := &fakeOwners{t: t, by: tt.by, forbidden: tt.forbidden, mayNotExec: tt.noExec}
			server := httptest.NewServer(api)
			t.Cleanup(server.Close)
			var log strings.Builder
			c, err := newTestClient(&rest.Config{Host: server.URL}, kube.Identity{Namespace: "ci"}, zerolog.New(&log).Level(zerolog.WarnLevel))
			if err != nil {
				t.Fatal(err)
			}
			p := clustertest.Pod("a", "hash", true)
			if tt.pod != nil {
				tt.pod(p)
			}
			pod := judge.ReadyPods([]*corev1.Pod{p})[0]
			node := clustertest.Node(func(n *configmap.Node) { n.Kubernetes.Transport = configmap.TransportExec })
			_, err = c.Dial(t.Context(), node, pod, func(string) {})
			known := (*kube.Error)(nil)
			execs := slices.Contains(api.requests(), "POST a")
			if tt.words == "" {
				if !execs || errors.As(err, &known) && known.Reason == kube.ReasonForeign {
					t.Errorf("no exec into one of its own: %v, requests %q", err, api.requests())
				}
			} else if execs || !errors.As(err, &known) || known.Reason != kube.ReasonForeign || !strings.Contains(known.Error(), tt.words) || !strings.Contains(known.Hints()[0], "docs/security.md") {
				t.Errorf("error %v, requests %q, want a refusal with %q and no exec", err, api.requests(), tt.words)
			}
			if warned := strings.Contains(log.String(), "without the right to get replicasets"); warned != tt.warns {
				t.Errorf("warned: %v", warned)
			}
			if tt.words != "" || tt.warns {
				return
			}
			// Once is enough for a pod.
			before := len(api.requests())
			_, _ = c.Dial(t.Context(), node, pod, func(string) {})
			if again := api.requests()[before:]; slices.ContainsFunc(again, func(r string) bool { return strings.HasPrefix(r, "GET ") && r != "GET a" }) {
				t.Errorf("asked again: %q", again)
			}
		})
	}
}
