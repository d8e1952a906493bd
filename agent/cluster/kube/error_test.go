package kube

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
)

func TestExplain(t *testing.T) {
	id := Identity{Source: SourceServiceAccount, Server: "https://api:6443"}
	cases := map[string]struct {
		err    error
		reason Reason
		words  string
		hint   string
	}{
		"rbac": {
			clustertest.StatusError(403, metav1.StatusReasonForbidden, `deployments.apps is forbidden: User "system:serviceaccount:ci:agent" cannot create resource "deployments" in API group "apps" in the namespace "ci"`),
			ReasonForbidden, "create deployment b in namespace ci: deployments.apps is forbidden", "kind: RoleBinding",
		},
		"quota": {
			clustertest.StatusError(403, metav1.StatusReasonForbidden, `deployments.apps "b" is forbidden: exceeded quota: q, requested: count/deployments.apps=1`),
			ReasonQuota, "exceeded quota: q", "kubectl describe resourcequota",
		},
		"quota that wants limits": {
			clustertest.StatusError(403, metav1.StatusReasonForbidden, `pods "b-1" is forbidden: failed quota: q: must specify limits.memory for: buildkitd; requests.cpu for: buildkitd`),
			ReasonQuota, "failed quota: q", "set the driver-opts limits.memory=4Gi, requests.cpu=2 with",
		},
		"quota that wants limits, of an older server": {
			clustertest.StatusError(403, metav1.StatusReasonForbidden, `pods "b-1" is forbidden: failed quota: q: must specify limits.cpu,memory`),
			ReasonQuota, "failed quota: q", "set the driver-opts limits.cpu=2, requests.memory=4Gi with",
		},
		"policy": {
			clustertest.StatusError(403, metav1.StatusReasonForbidden, `deployments.apps "b" is forbidden: ValidatingAdmissionPolicy 'p' denied request: no`),
			ReasonAdmission, "'p' denied request: no", "a policy of the cluster",
		},
		"webhook with bad request": {
			clustertest.StatusError(400, metav1.StatusReasonBadRequest, `admission webhook "w.example" denied the request: no`),
			ReasonAdmission, `"w.example" denied`, "a policy of the cluster",
		},
		"invalid": {
			apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "b", nil),
			ReasonDefinition, `Deployment.apps "b" is invalid`, "mend the driver-opt",
		},
		"namespace": {
			apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "ci"),
			ReasonNamespace, `namespaces "ci" not found`, "kubectl create namespace ci",
		},
		"unauthorized": {
			clustertest.StatusError(401, metav1.StatusReasonUnauthorized, "Unauthorized"),
			ReasonUnauthorized, "does not accept the credential (service account)", "not expired",
		},
		"other answer": {
			clustertest.StatusError(500, metav1.StatusReasonInternalError, "etcd is away"),
			ReasonServer, "etcd is away", "",
		},
		"refused": {
			&url.Error{Op: "Get", URL: "https://api:6443/api/v1/secret-path", Err: errors.New("dial tcp: connection refused")},
			ReasonUnreachable, "no usable answer from the API server https://api:6443: dial tcp: connection refused", "reaches https://api:6443",
		},
		"certificate": {
			&url.Error{Op: "Get", URL: "https://api:6443", Err: errors.New("x509: certificate signed by unknown authority")},
			ReasonUnreachable, "x509", "certificate authority",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := Explain(c.err, "create deployment b in namespace ci", id, rbac.SecretNames{})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, not an *Error", err)
			}
			if e.Reason != c.reason || !strings.Contains(e.Error(), c.words) {
				t.Errorf("got %s: %s\nwant %s with %q", e.Reason, e, c.reason, c.words)
			}
			if !strings.Contains(strings.Join(e.Hints(), "\n"), c.hint) {
				t.Errorf("hints %q lack %q", e.Hints(), c.hint)
			}
			if !errors.Is(err, c.err) {
				t.Error("the cause is lost")
			}
			if strings.Contains(err.Error(), "secret-path") {
				t.Errorf("the request path is in %q", err)
			}
		})
	}
}

func TestExplainKeepsContextErrors(t *testing.T) {
	err := Explain(&url.Error{Op: "Get", URL: "x", Err: context.Canceled}, "get", Identity{}, rbac.SecretNames{})
	var e *Error
	if errors.As(err, &e) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %T %v", err, err)
	}
}
