package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// strictAPI is an API server without workloads that lets a service account do what
// may says, as in "create deployments", and how to reach it.
func strictAPI(t *testing.T, may func(right string) bool) cluster.Access {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		switch last := parts[len(parts)-1]; {
		case last == "selfsubjectreviews":
			fmt.Fprint(w, `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{"userInfo":{"username":"system:serviceaccount:ci:agent"}}}`)
		case last == "selfsubjectaccessreviews":
			var review struct {
				Spec struct {
					ResourceAttributes struct{ Verb, Resource string }
				}
			}
			_ = json.NewDecoder(r.Body).Decode(&review)
			asked := review.Spec.ResourceAttributes
			fmt.Fprintf(w, `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%v}}`, may(asked.Verb+" "+asked.Resource))
		case last == "pods" && may("list pods"):
			fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","items":[]}`)
		case last == "pods":
			refuse(w, "list", "pods", "", "")
		case may("get deployments"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"not found","code":404}`)
		default:
			refuse(w, "get", "deployments", "apps", last)
		}
	}))
	t.Cleanup(server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: ci}}]\nclusters: [{name: k, cluster: {server: %q}}]\nusers: [{name: u, user: {}}]\n", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	files := source.New(t.Context(), strings.NewReader(""))
	t.Cleanup(func() { _ = files.Close() })
	return cluster.Access{Access: kube.Access{Kubeconfig: kubeconfig, Files: files, Lookup: func(string) (string, bool) { return "", false }}}
}

// refuse answers as the RBAC authorizer does.
func refuse(w http.ResponseWriter, verb, resource, group, name string) {
	what := resource
	if name != "" {
		what = fmt.Sprintf(`%s \"%s\"`, resource, name)
	}
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"%s is forbidden: User \"system:serviceaccount:ci:agent\" cannot %s resource \"%s\" in API group \"%s\" in the namespace \"ci\"","code":403}`, what, verb, resource, group)
}

// TestExplainForbidden has a command on two nodes that lacks rights: one hint has
// the roles of all that it lacks, last.
func TestExplainForbidden(t *testing.T) {
	build := []string{"slipway-build", "slipway-a-tls-client", "slipway-b-tls-client"}
	create := []string{"slipway-manage", "slipway-a-tls", "slipway-b-tls"}
	const unseen = "whether the builder is there cannot be seen"
	nothing := func(string) bool { return false }
	reads := func(right string) bool {
		verb, _, _ := strings.Cut(right, " ")
		return verb == "get" || verb == "list" || verb == "watch"
	}
	for _, tt := range []struct {
		name        string
		may         func(string) bool
		use         cluster.Use
		drift       configmap.Drift
		want, never []string // roles
		unseen      bool
	}{
		{"a build without any right", nothing, cluster.UseBuild, "", append(build, create...), []string{"slipway-exec"}, true},
		{"a look without any right", nothing, cluster.UseLook, "", build, create, false},
		{"a build that sees that there is none", func(right string) bool { return reads(right) && right != "list pods" }, cluster.UseBuild, "", append([]string{"slipway-build"}, create...), nil, false},
		{"a look that is to bring up to date", nothing, cluster.UseLook, configmap.DriftApply, build, create, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clients := &Clients{Access: strictAPI(t, tt.may), Log: zerolog.Nop()}
			var nodes []configmap.Node
			for _, name := range []string{"a", "b"} {
				nodes = append(nodes, configmap.Node{Name: name, Kubernetes: &configmap.Kubernetes{
					Image: "moby/buildkit:v0.34.2", Replicas: 1, Timeout: time.Minute, Transport: configmap.TransportAuto, Drift: tt.drift,
				}})
			}
			client, err := clients.Of(nodes[0])
			if err != nil {
				t.Fatal(err)
			}
			_, refused := client.Up(t.Context(), nodes[0], func(string) {})
			if !IsReason(refused, kube.ReasonForbidden) {
				t.Fatalf("error %v", refused)
			}
			refused = fault.With(fault.ClassCluster, fmt.Errorf("node a: %w", refused))
			explained := clients.Connector().ExplainForbidden(t.Context(), nodes, tt.use, refused)
			if explained.Error() != refused.Error() || fault.ClassOf(explained) != fault.ClassCluster || !errors.Is(explained, refused) {
				t.Errorf("error %v", explained)
			}
			hints := fault.Hints(explained)
			last := hints[len(hints)-1]
			if !strings.HasPrefix(last, "system:serviceaccount:ci:agent may not list pods in namespace ci; whoever administers the cluster can grant all that this command lacks, for all nodes, with kubectl apply -f - and this:\n---\n") {
				t.Errorf("hint %q", last)
			}
			for _, role := range tt.want {
				if n := strings.Count(last, "name: "+role+"\n"); n != 3 { // the Role, the binding and what it refers to
					t.Errorf("role %s %d times in:\n%s", role, n, last)
				}
			}
			for _, role := range tt.never {
				if strings.Contains(last, "name: "+role+"\n") {
					t.Errorf("role %s is in:\n%s", role, last)
				}
			}
			above := strings.Join(hints[:len(hints)-1], " ")
			if strings.Contains(above, "\n") || strings.Contains(above, "doctor --rbac") || strings.Contains(above, unseen) != tt.unseen {
				t.Errorf("hints before it %q", hints[:len(hints)-1])
			}
			if strings.Contains(last, "# Only to create a builder.") != tt.unseen {
				t.Errorf("which roles only create a builder:\n%s", last)
			}
		})
	}
}

// Errors of another kind, and those of an API server that does not tell, are left
// as they are.
func TestExplainForbiddenLeavesOthersAlone(t *testing.T) {
	refused := func(message string) error { return &kube.Error{Reason: kube.ReasonForbidden, Message: message} }
	const words = `cannot list resource "pods" in API group "" in the namespace "ci"`
	known := refused(`User "system:serviceaccount:ci:agent" ` + words)
	unanswered := func(configmap.Node) (Cluster, error) { return nil, errors.New("no identity") }
	clients := &Clients{Access: strictAPI(t, func(string) bool { return true }), Log: zerolog.Nop()}
	node := configmap.Node{Name: "a", Kubernetes: &configmap.Kubernetes{Image: "moby/buildkit:v0.34.2", Replicas: 1, Timeout: time.Minute, Transport: configmap.TransportAuto}}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx       context.Context
		connector *Connector
		err       error
	}{
		"nothing":                {t.Context(), clients.Connector(), nil},
		"another reason":         {t.Context(), clients.Connector(), &kube.Error{Reason: kube.ReasonQuota}},
		"a policy":               {t.Context(), clients.Connector(), refused("a policy refuses it")},
		"no right is missing":    {t.Context(), clients.Connector(), known},
		"the cluster is silent":  {t.Context(), &Connector{Client: unanswered, Log: zerolog.Nop()}, known},
		"the command is stopped": {over, clients.Connector(), known},
	} {
		if got := tt.connector.ExplainForbidden(tt.ctx, []configmap.Node{node}, cluster.UseBuild, tt.err); !errors.Is(tt.err, got) {
			t.Errorf("%s: %v became %#v", name, tt.err, got)
		}
	}
}
