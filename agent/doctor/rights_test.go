package doctor

import (
	"encoding/json"
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

// strictAPI is an API server that lets a service account do nothing but what it
// is asked with allow, for a Doctor of a builder of two nodes.
func strictAPI(t *testing.T, allow func(verb, resource string) bool) Doctor {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/version":
			fmt.Fprint(w, `{"gitVersion":"v1.36.3"}`)
		case strings.HasSuffix(r.URL.Path, "/selfsubjectreviews"):
			fmt.Fprint(w, `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{"userInfo":{"username":"system:serviceaccount:ci:agent"}}}`)
		case strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews"):
			var review struct {
				Spec struct {
					ResourceAttributes struct{ Verb, Resource string }
				}
			}
			_ = json.NewDecoder(r.Body).Decode(&review)
			allowed := allow != nil && allow(review.Spec.ResourceAttributes.Verb, review.Spec.ResourceAttributes.Resource)
			fmt.Fprintf(w, `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%v}}`, allowed)
		default:
			parts := strings.Split(r.URL.Path, "/")
			resource := parts[len(parts)-1]
			if strings.Contains(resource, "builder") {
				resource = parts[len(parts)-2]
			}
			if allow != nil && allow("get", resource) {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"not found","code":404}`)
				return
			}
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"%s is forbidden: User \"system:serviceaccount:ci:agent\" cannot get resource \"%s\" in API group \"apps\" in the namespace \"ci\"","code":403}`, resource, resource)
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
	node := func(name string) configmap.Node {
		return configmap.Node{Name: name, Kubernetes: &configmap.Kubernetes{Image: "moby/buildkit:v0.33.1", Replicas: 1, Timeout: time.Minute, Transport: configmap.TransportAuto}}
	}
	definition := configmap.Definition{Name: "kube", File: "kube", Driver: "kubernetes", Nodes: []configmap.Node{node("builder-amd64"), node("builder-arm64")}}
	return Doctor{
		Definition: func() (configmap.Definition, error) { return definition, nil },
		Access:     cluster.Access{Access: kube.Access{Kubeconfig: kubeconfig, Files: files, Lookup: func(string) (string, bool) { return "", false }}},
		Workspace:  t.TempDir(),
		Log:        zerolog.Nop(),
	}
}

// TestOneRoundOfRights has an agent without any right: all roles that a build on
// both nodes needs are in one text, at the end.
func TestOneRoundOfRights(t *testing.T) {
	d := strictAPI(t, nil)
	checks, err := d.Run(t.Context())
	if fault.ClassOf(err) != fault.ClassCluster || !strings.HasPrefix(err.Error(), "not ready to build: rights of builder-amd64, rights of builder-arm64 failed") {
		t.Errorf("error %v", err)
	}
	hints := fault.Hints(err)
	if len(hints) != 1 {
		t.Fatalf("hints %q", hints)
	}
	sentence, yaml, _ := strings.Cut(hints[0], "\n")
	if !strings.HasSuffix(sentence, "with kubectl apply -f - and this, which slipway doctor --rbac prints alone:") {
		t.Errorf("hint %q", sentence)
	}
	if strings.Contains(yaml, "slipway-exec") || strings.Count(yaml, "# Only to create a builder.") != 3 {
		t.Errorf("roles:\n%s", yaml)
	}
	// What cannot be seen may not be there, and is then to be created.
	for _, role := range []string{"slipway-build", "slipway-builder-amd64-tls-client", "slipway-builder-arm64-tls-client", "slipway-manage", "slipway-builder-amd64-tls", "slipway-builder-arm64-tls"} {
		if n := strings.Count(yaml, "name: "+role+"\n"); n != 3 {
			t.Errorf("role %s %d times in:\n%s", role, n, yaml)
		}
	}
	if strings.Contains(yaml, "hint") || !strings.HasPrefix(yaml, "---\n") {
		t.Errorf("not to be pasted:\n%s", yaml)
	}
	for _, c := range checks {
		for _, hint := range c.Hints {
			if strings.Contains(hint, "kind: Role") {
				t.Errorf("%s has roles of its own: %q", c.name(), hint)
			}
		}
		if c.Probe == "rights" && (!strings.Contains(c.Roles, "kind: Role") || !strings.Contains(strings.Join(c.Hints, "\n"), "whether the builder is there cannot be seen")) {
			t.Errorf("%s: roles %q, hints %q", c.name(), c.Roles, c.Hints)
		}
	}
	roles, err := d.Roles(t.Context())
	if err != nil || roles != yaml {
		t.Errorf("roles alone: error %v\n%s\nwant\n%s", err, roles, yaml)
	}
}

// TestRightsToCreate has an agent that sees that there is no builder yet.
func TestRightsToCreate(t *testing.T) {
	d := strictAPI(t, func(verb, resource string) bool { return verb != "create" || resource == "pods" })
	roles, err := d.Roles(t.Context())
	if err != nil || strings.Count(roles, "name: slipway-manage\n") != 3 || strings.Count(roles, "name: slipway-builder-arm64-tls\n") != 3 {
		t.Errorf("error %v, roles:\n%s", err, roles)
	}
	all := strictAPI(t, func(string, string) bool { return true })
	if roles, err := all.Roles(t.Context()); roles != "" || err != nil {
		t.Errorf("nothing is missing: error %v, roles:\n%s", err, roles)
	}
	broken := strictAPI(t, nil)
	broken.Access.Kubeconfig = filepath.Join(t.TempDir(), "none")
	if roles, err := broken.Roles(t.Context()); roles != "" || fault.ClassOf(err) != fault.ClassCluster || !strings.HasPrefix(err.Error(), "identity: ") {
		t.Errorf("no identity: error %v, roles:\n%s", err, roles)
	}
}
