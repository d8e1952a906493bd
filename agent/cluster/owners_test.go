package cluster

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// TestNamesOfCertificates tests which Secrets that are there keep a workload from
// being made.
func TestNamesOfCertificates(t *testing.T) {
	now := time.Now()
	fresh := testCertificates(t, now, nil)
	renewed := testCertificates(t, now, &fresh)
	other := testCertificates(t, now, nil)
	due := testCertificates(t, now.Add(-20*365*24*time.Hour), nil)
	ours := map[string]string{manifest.LabelApp: "builder-amd64", manifest.LabelManagedBy: manifest.ManagedBy}
	theirs := map[string]string{manifest.LabelManagedBy: "Helm"}
	secret := func(name string, labels map[string]string, data map[string][]byte) *corev1.Secret {
		return &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ci", Labels: labels}, Data: data}
	}
	for _, tt := range []struct {
		name    string
		secrets []*corev1.Secret
		refused string // the name of the Secret that is
	}{
		{"none", nil, ""},
		{"its own, of an earlier workload", []*corev1.Secret{secret(testServerSecret, ours, fresh.ServerData()), secret(testClientSecret, ours, fresh.ClientData())}, ""},
		{"its own, and due", []*corev1.Secret{secret(testServerSecret, ours, due.ServerData()), secret(testClientSecret, ours, due.ClientData())}, ""},
		{"others', which serve", []*corev1.Secret{secret(testServerSecret, theirs, fresh.ServerData()), secret(testClientSecret, theirs, fresh.ClientData())}, ""},
		{"an agents' copy of others, which serves", []*corev1.Secret{secret(testServerSecret, ours, fresh.ServerData()), secret(testClientSecret, theirs, fresh.ClientData())}, ""},
		{"an agents' copy of others, a renewal ahead", []*corev1.Secret{secret(testServerSecret, ours, fresh.ServerData()), secret(testClientSecret, theirs, renewed.ClientData())}, ""},
		{"an agents' copy of others, which would have to be renewed", []*corev1.Secret{secret(testServerSecret, ours, due.ServerData()), secret(testClientSecret, theirs, due.ClientData())}, testClientSecret},
		{"an agents' copy of others for another server", []*corev1.Secret{secret(testServerSecret, ours, fresh.ServerData()), secret(testClientSecret, theirs, other.ClientData())}, testClientSecret},
		{"an agents' copy of others alone", []*corev1.Secret{secret(testClientSecret, theirs, fresh.ClientData())}, testClientSecret},
		{"others', which do not serve any more", []*corev1.Secret{secret(testServerSecret, theirs, due.ServerData()), secret(testClientSecret, ours, fresh.ClientData())}, testServerSecret},
		{"others', which are no certificates", []*corev1.Secret{secret(testServerSecret, theirs, nil)}, testServerSecret},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newFakeAPI(t)
			for _, s := range tt.secrets {
				p.keep("secrets", s)
			}
			node := driftNode("", func(n *configmap.Node) { n.Kubernetes.Transport = configmap.TransportDirect })
			err := newWorkload(p.client(io.Discard), node, func(string) {}).checkNames(t.Context())
			known := (*kube.Error)(nil)
			switch {
			case tt.refused == "" && err != nil:
				t.Errorf("error %v", err)
			case tt.refused != "" && (!errors.As(err, &known) || known.Reason != kube.ReasonForeign || !strings.HasPrefix(err.Error(), "secret "+tt.refused+" ")):
				t.Errorf("error %v, want a refusal of %s", err, tt.refused)
			}
			for _, request := range p.requests() {
				if !strings.HasPrefix(request, "GET ") {
					t.Errorf("%s was sent", request)
				}
			}
		})
	}
}
