// Package clustertest holds what the tests of agent/cluster and of the
// packages below it share. No program imports it.
package clustertest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/configmap"
)

var update = flag.Bool("update", false, "write the golden files")

// Node is a node named builder_amd64 with buildx's defaults; change may be nil.
func Node(change func(*configmap.Node)) configmap.Node {
	n := configmap.Node{
		Name: "builder_amd64",
		Kubernetes: &configmap.Kubernetes{
			Image:              "moby/buildkit:buildx-stable-1",
			Replicas:           1,
			LoadBalance:        configmap.LoadBalanceSticky,
			Timeout:            2 * time.Minute,
			UnschedulableGrace: 15 * time.Second,
			TerminationGrace:   time.Hour,
		},
	}
	if change != nil {
		change(&n)
	}
	return n
}

// Quantity parses s, which must be valid.
func Quantity(s string) *resource.Quantity {
	q := resource.MustParse(s)
	return &q
}

// Pod is a live pod of Node's Deployment with a spec hash, ready or not, made
// by Slipway unless the hash is empty.
func Pod(name, hash string, ready bool) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ci", UID: types.UID("uid-" + name), Labels: map[string]string{"app": "builder-amd64"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "buildkitd"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	if hash != "" {
		p.Labels["app.kubernetes.io/managed-by"] = "slipway"
		p.Annotations = map[string]string{"slipway.build/spec-hash": hash}
	}
	OwnedByReplicaSet(p)
	if ready {
		p.Status.Phase = corev1.PodRunning
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

// OwnedByReplicaSet makes p one of the pods of Node's Deployment.
func OwnedByReplicaSet(p *corev1.Pod) {
	p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = "5f6d"
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "builder-amd64-5f6d", UID: "uid-of-set", Controller: new(true)}}
}

// StatusError is an answer of the API server that is no success.
func StatusError(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Message: message}}
}

// Golden compares got with a file; with -update it writes the file first.
func Golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got):\n%s", file, diff)
	}
}
