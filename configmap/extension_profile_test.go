package configmap

import (
	"fmt"
	"testing"
)

func TestProfiles(t *testing.T) {
	const node = "Name: a\nDriver: kubernetes\nNodes:\n- Name: m\n  "
	const patch = "Slipway: {profile: %s, podTemplate: {spec: %s}}\n"
	for _, test := range []struct {
		name, text string
		want       []string
		hint       string
	}{
		{"a typo", node + "Slipway: {profile: rootles}\n", []string{`node m: Slipway.profile: "rootles" is not a profile`}, `did you mean "rootless"?`},
		{"no string", node + "Slipway: {profile: true}\n", []string{"node m: Slipway.profile: must be a string, not true"}, ""},
		{"rootless twice", node + "DriverOpts: {rootless: 'true'}\n  Slipway: {profile: rootless}\n", nil, ""},
		{"not rootless twice", node + "DriverOpts: {rootless: 'false'}\n  Slipway: {profile: user-namespace}\n", nil, ""},
		{"rootless denied", node + "DriverOpts: {rootless: 'false'}\n  Slipway: {profile: rootless}\n", []string{"node m: driver-opt rootless: false contradicts the profile rootless"}, "leave it out"},
		{"rootless and of the group privileged", "Name: a\nDriver: kubernetes\nSlipway: {profile: privileged}\nNodes: [{Name: m, DriverOpts: {rootless: 'true'}}]\n", []string{"node m: driver-opt rootless: true contradicts the profile privileged"}, ""},
		{"rootless and user-namespace", node + "DriverOpts: {rootless: 'true'}\n  Slipway: {profile: user-namespace}\n", []string{"node m: driver-opt rootless: true contradicts the profile user-namespace"}, ""},
		{"emulators for the init container", node + "DriverOpts: {qemu.install: 'true'}\n  Slipway: {profile: user-namespace}\n", []string{"node m: driver-opt qemu.install: has no effect with the profile user-namespace"}, "on the cluster nodes"},
		{"emulators for the cluster node", node + "DriverOpts: {qemu.install: 'true'}\n  Slipway: {profile: rootless}\n", nil, ""},
		{"the same users", node + fmt.Sprintf(patch, "user-namespace", "{hostUsers: false}"), nil, ""},
		{"other users", node + fmt.Sprintf(patch, "user-namespace", "{hostUsers: true}"), []string{"node m: Slipway.podTemplate.spec.hostUsers: true contradicts the profile user-namespace"}, "another profile"},
		{"users taken away", node + fmt.Sprintf(patch, "user-namespace", "{hostUsers: null}"), []string{"spec.hostUsers: true contradicts the profile user-namespace"}, ""},
		{"namespaces of the cluster node", node + fmt.Sprintf(patch, "user-namespace", "{hostNetwork: true, hostPID: true, hostIPC: true}"), []string{
			"spec.hostNetwork: true contradicts the profile user-namespace", "spec.hostPID: true contradicts", "spec.hostIPC: true contradicts",
		}, ""},
		{"namespaces of the cluster node for others", node + fmt.Sprintf(patch, "privileged", "{hostNetwork: true, hostPID: true, hostIPC: true}"), nil, ""},
		{"rootless with other users", node + fmt.Sprintf(patch, "rootless", "{hostUsers: false}"), []string{"spec.hostUsers: false contradicts the profile rootless"}, ""},
		{"privileged with other users", node + fmt.Sprintf(patch, "privileged", "{hostUsers: false}"), []string{"spec.hostUsers: false contradicts the profile privileged"}, ""},
		{"not privileged", node + fmt.Sprintf(patch, "privileged", "{containers: [{name: buildkitd, securityContext: {privileged: false}}]}"), []string{"securityContext.privileged: false contradicts the profile privileged"}, ""},
		{"rootless and privileged", node + fmt.Sprintf(patch, "rootless", "{containers: [{name: buildkitd, securityContext: {privileged: true}}]}"), []string{"securityContext.privileged: true contradicts the profile rootless"}, ""},
		{"rootless and root", node + fmt.Sprintf(patch, "rootless", "{containers: [{name: buildkitd, securityContext: {runAsUser: 0}}]}"), []string{"securityContext.runAsUser: root contradicts the profile rootless"}, ""},
		{"another user", node + fmt.Sprintf(patch, "privileged", "{containers: [{name: buildkitd, securityContext: {runAsUser: 7}}]}"), []string{"securityContext.runAsUser: 7 contradicts the profile privileged"}, ""},
		{"no security context", node + fmt.Sprintf(patch, "privileged", "{containers: [{name: buildkitd, securityContext: null}]}"), []string{"securityContext: null contradicts the profile privileged"}, ""},
		{"another part of it", node + fmt.Sprintf(patch, "rootless", "{containers: [{name: buildkitd, securityContext: {runAsUser: 1001}}, {name: other, securityContext: {privileged: true}}]}"), nil, ""},
		{"users without a profile", node + "Slipway: {podTemplate: {spec: {hostUsers: false}}}\n", nil, ""},
		{"a remote node", "Name: a\nDriver: remote\nSlipway: {profile: rootless, storageClass: a, gc: {maxUsedSpace: 1%}}\nNodes: [{Name: m, Endpoint: 'tcp://a:1', Slipway: {profile: rootless}}]\n", []string{
			"Slipway.profile: has no meaning with the driver remote", "Slipway.storageClass: has no meaning", "Slipway.gc: has no meaning", "node m: Slipway.profile: has no meaning",
		}, ""},
		{"a class without a claim", node + "Slipway: {storageClass: fast}\n", []string{"node m: Slipway.storageClass: the node has no persistent claim"}, "persistent-volume-claim.requests.storage"},
		{"a class of the group without a claim", "Name: a\nDriver: kubernetes\nSlipway: {storageClass: fast}\nNodes: [{Name: m}]\n", []string{"Slipway.storageClass: no node has a persistent claim"}, ""},
		{"a class of the group with one claim", "Name: a\nDriver: kubernetes\nSlipway: {storageClass: fast}\nNodes: [{Name: m}, {Name: o, DriverOpts: {persistent-volume-claim.requests.storage: 1Gi}}]\n", nil, ""},
		{"a class that cannot be", node + "DriverOpts: {persistent-volume-claim.requests.storage: 1Gi}\n  Slipway: {storageClass: a/b}\n", []string{"node m: Slipway.storageClass: cannot be the name of a storage class"}, ""},
		{"the class of volumes made by hand", node + "DriverOpts: {persistent-volume-claim.requests.storage: 1Gi}\n  Slipway: {storageClass: ''}\n", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) { checkProblems(t, test.text, test.want, test.hint) })
	}
}

func TestProfileSetsTheOption(t *testing.T) {
	d, problems := load(t, `
Name: a
Driver: kubernetes
Slipway: {profile: rootless, storageClass: group}
Nodes:
- Name: plain
  DriverOpts: {persistent-volume-claim.requests.storage: 1Gi}
- Name: own
  DriverOpts: {persistent-volume-claim.requests.storage: 1Gi}
  Slipway: {profile: user-namespace, storageClass: ''}
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, want := range []string{
		`rootless true moby/buildkit:buildx-stable-1-rootless "group"`,
		`user-namespace false moby/buildkit:buildx-stable-1 ""`,
	} {
		k := d.Nodes[i].Kubernetes
		if got := fmt.Sprintf("%s %t %s %q", k.Profile, k.Rootless, k.Image, *k.StorageClass); got != want {
			t.Errorf("node %s: got %s, want %s", d.Nodes[i].Name, got, want)
		}
	}
}
