package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/configmap"
)

// TestOwnerLabel has the owner on what is made, and nowhere that a change of it
// would touch pods.
func TestOwnerLabel(t *testing.T) {
	with := func(owner string) Objects {
		objects, err := Of(clustertest.Node(func(n *configmap.Node) {
			n.Kubernetes.Owner = owner
			n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = true\n"), "certs/key.pem": []byte("key")}
		}), "ci")
		if err != nil {
			t.Fatal(err)
		}
		return objects
	}
	owned, plain := with("ours"), with("")
	node := clustertest.Node(func(n *configmap.Node) { n.Kubernetes.Owner = "ours" })
	for what, labels := range map[string]map[string]string{
		"deployment":   owned.Deployment.Labels,
		"configmap":    owned.ConfigMaps[0].Labels,
		"secret":       owned.Secrets[0].Labels,
		"certificates": TLSSecret(node, "ci", "b-tls", nil).Labels,
	} {
		if labels[LabelOwner] != "ours" || labels[LabelManagedBy] != ManagedBy {
			t.Errorf("%s has the labels %v", what, labels)
		}
	}
	if diff := cmp.Diff(plain.Deployment.Spec, owned.Deployment.Spec); diff != "" {
		t.Errorf("an owner changes the pods (-without +with):\n%s", diff)
	}
	if _, there := plain.Deployment.Labels[LabelOwner]; there {
		t.Error("there is an owner that nobody named")
	}
}
