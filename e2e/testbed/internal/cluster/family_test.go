package cluster

import (
	"slices"
	"strings"
	"testing"
)

func TestFamilies(t *testing.T) {
	for _, tt := range []struct{ name, server, services, nodeIP, registry string }{
		{"", "https://10.244.0.1:6443", "10.96.0.0/16", "10.244.0.1", "10.244.0.1:5000"},
		{"dual", "https://10.244.0.1:6443", "10.96.0.0/16,fd00:10:96::/112", "10.244.0.1,fd00:10:244::1", "10.244.0.1:5000"},
		{"ipv6", "https://[fd00:10:244::1]:6443", "fd00:10:96::/112", "fd00:10:244::1", "[fd00:10:244::1]:5000"},
	} {
		families, err := ParseFamilies(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		c := Cluster{Families: families}
		for what, want := range map[string]string{
			"server of the API server":     tt.server,
			"address of the registry":      tt.registry,
			"addresses of the node":        "--node-ip=" + tt.nodeIP,
			"networks of the API server":   "--service-cluster-ip-range=" + tt.services,
			"first address of the kubelet": strings.Split(tt.nodeIP, ",")[0],
		} {
			all := append(append(c.apiserver().Argv, c.kubelet(nodes[0]).Argv...), c.APIServer(), c.registryAddress(registries[0]), c.ip(nodes[0]))
			if !slices.Contains(all, want) {
				t.Errorf("%q: %s is not %s", tt.name, what, want)
			}
		}
	}
	if _, err := ParseFamilies("ipv5"); err == nil || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("ipv5: %v", err)
	}
}
