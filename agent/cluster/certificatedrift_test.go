package cluster

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
)

// TestDriftOfCertificates also holds that a plain slipway up mends what is
// Slipway's own, and that nothing of a key is told.
func TestDriftOfCertificates(t *testing.T) {
	const server, client = "builder-amd64-tls", "builder-amd64-tls-client"
	fresh := func(name string, when time.Time) pki.Set {
		set, err := pki.Make(name, when, nil)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	const name = "buildkitd.builder-amd64.ci"
	good, expired := fresh(name, time.Now()), fresh(name, time.Now().Add(-2*pki.Life))
	other := fresh("another.name", time.Now())
	brought := func(n *configmap.Node) {
		n.Kubernetes.TLS = configmap.TLS{ServerSecret: server, ClientSecret: client}
	}
	for _, tt := range []struct {
		name           string
		change         func(*configmap.Node)
		server, client map[string][]byte
		want           []string
		forbidden      bool
	}{
		{name: "good", server: good.ServerData(), client: good.ClientData()},
		{name: "none", want: []string{"secret builder-amd64-tls: only in the definition", "secret builder-amd64-tls-client: only in the definition"}},
		{name: "none to be seen", forbidden: true},
		{
			name: "expired", server: expired.ServerData(), client: expired.ClientData(),
			want: []string{"secret builder-amd64-tls: expired at ", "secret builder-amd64-tls-client: expired at "},
		},
		{
			name: "for another name", server: other.ServerData(), client: other.ClientData(),
			want: []string{"secret builder-amd64-tls: it is for another.name and not for buildkitd.builder-amd64.ci"},
		},
		{
			name: "broken", server: map[string][]byte{pki.KeyCertificate: good.Server.Certificate, pki.KeyPrivate: other.Server.Key}, client: good.ClientData(),
			want: []string{"secret builder-amd64-tls: no certificate with its key"},
		},
		{
			name: "brought, for another name", change: brought, server: other.ServerData(), client: other.ClientData(),
			want: []string{"secret builder-amd64-tls: it is for another.name and not for buildkitd.builder-amd64.ci"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			node := clustertest.Node(func(n *configmap.Node) {
				n.Kubernetes.Drift = configmap.DriftApply
				if tt.change != nil {
					tt.change(n)
				}
			})
			p := newFakeAPI(t).holding(node, nil)
			for name, data := range map[string]map[string][]byte{server: tt.server, client: tt.client} {
				if data != nil {
					p.keep("secrets", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ci", Labels: map[string]string{manifest.LabelManagedBy: manifest.ManagedBy, manifest.LabelApp: "builder-amd64"}}, Data: data})
				}
			}
			if tt.forbidden {
				p.forbidden = []string{"GET secrets"}
			}
			drift, err := p.client(io.Discard).Drift(t.Context(), node)
			got := drift.Lines
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("drift %q, error %v, want %q", got, err, tt.want)
			}
			for i, line := range got {
				if !strings.HasPrefix(line, tt.want[i]) {
					t.Errorf("drift %q, want %q", line, tt.want[i])
				}
			}
			if tt.forbidden {
				return
			}
			if err := p.client(io.Discard).Reconcile(t.Context(), node, func(string) {}); err != nil {
				t.Fatal(err)
			}
			left, err := p.client(io.Discard).Drift(t.Context(), node)
			if err != nil || (tt.change == nil) != (len(left.Lines) == 0) {
				t.Errorf("drift after slipway up: %q, error %v", left, err)
			}
			if slices.Contains(p.requests(), "PUT deployments") {
				t.Error("the pods are replaced for their certificates")
			}
		})
	}
}
