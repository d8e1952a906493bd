package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// TestWhatOthersMadeStaysAsItIs has objects of others at the names that a node
// needs. No verb writes or deletes any of them.
func TestWhatOthersMadeStaysAsItIs(t *testing.T) {
	theirs := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "ci", UID: "theirs", Labels: map[string]string{
			"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop", "app": "shop",
		}}
	}
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "builder-amd64"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop"}}},
	}
	node := driftNode(configmap.DriftApply, nil)
	listening := driftNode(configmap.DriftApply, func(n *configmap.Node) { n.Kubernetes.Transport = configmap.TransportDirect })
	changed := driftNode(configmap.DriftApply, func(n *configmap.Node) {
		n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = false\n"), "tls/reg.key": []byte("another key")}
	})
	for _, tt := range []struct {
		name, plural string
		node         configmap.Node
		object       metav1.Object
		// with is true where the workload is Slipway's own and there.
		with bool
		// removes is true where others' objects keep nothing from being removed.
		removes bool
	}{
		{name: "configmap", plural: "configmaps", node: node, removes: true, object: &corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: theirs("builder-amd64-config"), Data: map[string]string{"shop.toml": "x"},
		}},
		{name: "configmap of a running builder", plural: "configmaps", node: changed, with: true, object: &corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: theirs("builder-amd64-config"), Data: map[string]string{"shop.toml": "x"},
		}},
		{name: "secret", plural: "secrets", node: node, removes: true, object: &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: theirs("builder-amd64-config-1"), Data: map[string][]byte{"password": []byte("x")},
		}},
		{name: "secret of a running builder", plural: "secrets", node: changed, with: true, object: &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: theirs("builder-amd64-config-1"), Data: map[string][]byte{"password": []byte("x")},
		}},
		{name: "secret where the certificates go", plural: "secrets", node: listening, removes: true, object: &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: theirs("builder-amd64-tls"), Data: map[string][]byte{"tls.crt": []byte("x")},
		}},
		{name: "secret where agents find theirs", plural: "secrets", node: listening, removes: true, object: &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: theirs("builder-amd64-tls-client"), Data: map[string][]byte{"tls.crt": []byte("x")},
		}},
		{name: "secret where agents find theirs, of a running builder", plural: "secrets", with: true, object: &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: theirs("builder-amd64-tls-client"), Data: map[string][]byte{"tls.crt": []byte("x")},
		}, node: listening},
		{name: "deployment", plural: "deployments", node: node, object: &appsv1.Deployment{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: manifest.KindDeployment}, ObjectMeta: theirs("builder-amd64"), Spec: appsv1.DeploymentSpec{Replicas: new(int32(0)), Template: pod},
		}},
		{name: "statefulset", plural: "statefulsets", node: node, removes: true, object: &appsv1.StatefulSet{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: manifest.KindStatefulSet}, ObjectMeta: theirs("builder-amd64"), Spec: appsv1.StatefulSetSpec{Template: pod},
		}},
		{
			name: "statefulset of a node with a claim", plural: "statefulsets",
			node: driftNode(configmap.DriftApply, func(n *configmap.Node) { n.Kubernetes.ClaimStorage = clustertest.Quantity("1Gi") }),
			object: &appsv1.StatefulSet{
				TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: manifest.KindStatefulSet}, ObjectMeta: theirs("builder-amd64"), Spec: appsv1.StatefulSetSpec{Template: pod},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newFakeAPI(t)
			if tt.with {
				p.holding(driftNode("", nil), nil)
			}
			p.keep(tt.plural, tt.object)
			key := tt.plural + "/" + tt.object.GetName()
			before := asJSON(t, p.objects[key])
			refused := func(verb string, err error) {
				t.Helper()
				known := (*kube.Error)(nil)
				if !errors.As(err, &known) || known.Reason != kube.ReasonForeign {
					t.Fatalf("%s: %v, want a refusal", verb, err)
				}
				for _, words := range []string{tt.object.GetName() + " in namespace ci", "app.kubernetes.io/managed-by=Helm", "app.kubernetes.io/instance=shop"} {
					if !strings.Contains(known.Error(), words) {
						t.Errorf("%s: no %q in %q", verb, words, known)
					}
				}
				if len(known.Hints()) < 2 {
					t.Errorf("%s: hints %q", verb, known.Hints())
				}
			}
			c := p.client(io.Discard)
			if !tt.with { // a builder that runs as it should be is not looked at
				_, err := c.Up(t.Context(), tt.node, func(string) {})
				refused("build", err)
			}
			refused("slipway up", c.Reconcile(t.Context(), tt.node, func(string) {}))
			if !tt.with {
				plan, err := c.PlanRemoval(t.Context(), tt.node, true)
				if tt.removes {
					if objects := strings.Join(plan.Objects(), "\n"); err != nil || strings.Contains(objects, tt.object.GetName()+" ") {
						t.Errorf("slipway rm: error %v, removes %s", err, objects)
					}
				} else {
					refused("slipway rm", err)
				}
			}
			if after := asJSON(t, p.objects[key]); after != before {
				t.Errorf("it has changed:\n%s\nwas\n%s", after, before)
			}
			for _, request := range p.requests() {
				if strings.HasPrefix(request, "POST ") || strings.HasPrefix(request, "PUT ") {
					t.Errorf("%s was sent: a part of the node would be left behind", request)
				}
			}
		})
	}
}

func asJSON(t *testing.T, object any) string {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRemoveJudgesAgain has somebody write an object between the plan and the
// deletion.
func TestRemoveJudgesAgain(t *testing.T) {
	type object = map[string]any
	secret := func(uid, version, by string) object {
		return object{"apiVersion": "v1", "kind": "Secret", "metadata": object{
			"name": "b-tls", "uid": uid, "resourceVersion": version, "labels": object{"app": "b", "app.kubernetes.io/managed-by": by},
		}}
	}
	for _, tt := range []struct {
		name    string
		then    object // nil when it is gone
		deletes []string
		foreign bool
	}{
		{"written", secret("one", "2", "slipway"), []string{"one/1", "one/2"}, false},
		{"given to somebody else", secret("one", "2", "Helm"), []string{"one/1"}, true},
		{"replaced", secret("two", "2", "slipway"), []string{"one/1"}, true},
		{"gone", nil, []string{"one/1"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := secret("one", "1", "slipway")
			var deletes []string
			refuse := func(w http.ResponseWriter, code int, reason metav1.StatusReason) {
				w.WriteHeader(code)
				_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code)})
			}
			c := dialTo(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				path := r.URL.Path[strings.LastIndex(r.URL.Path, "/ci/")+len("/ci/"):]
				switch {
				case path == "configmaps":
					_ = json.NewEncoder(w).Encode(object{"apiVersion": "v1", "kind": "ConfigMapList"})
				case path != "secrets/b-tls" || is == nil:
					refuse(w, 404, metav1.StatusReasonNotFound)
				case r.Method == http.MethodDelete:
					body, _ := io.ReadAll(r.Body)
					meta, _ := is["metadata"].(object)
					asked := ""
					for _, pair := range [][2]string{{"one", "1"}, {"one", "2"}, {"two", "2"}} {
						if strings.Contains(string(body), pair[0]) && strings.Contains(string(body), "\x01"+pair[1]) {
							asked = pair[0] + "/" + pair[1]
						}
					}
					deletes = append(deletes, asked)
					if len(deletes) == 1 { // somebody was faster
						is = tt.then
						refuse(w, 409, metav1.StatusReasonConflict)
						return
					}
					if asked != fmt.Sprint(meta["uid"], "/", meta["resourceVersion"]) {
						refuse(w, 409, metav1.StatusReasonConflict)
						return
					}
					_ = json.NewEncoder(w).Encode(object{"apiVersion": "v1", "kind": "Status"})
				default:
					_ = json.NewEncoder(w).Encode(is)
				}
			}))
			plan, err := c.PlanRemoval(t.Context(), configmap.Node{Name: "b", Kubernetes: &configmap.Kubernetes{}}, false)
			if err != nil {
				t.Fatal(err)
			}
			err = plan.Remove(t.Context(), func(string) {})
			known := (*kube.Error)(nil)
			if foreign := errors.As(err, &known) && known.Reason == kube.ReasonForeign; foreign != tt.foreign || err != nil && !tt.foreign {
				t.Errorf("error %v, want a refusal: %v", err, tt.foreign)
			}
			if !slices.Equal(deletes, tt.deletes) {
				t.Errorf("deletes %q, want %q", deletes, tt.deletes)
			}
		})
	}
}
