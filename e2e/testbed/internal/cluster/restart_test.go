package cluster

import (
	"strings"
	"testing"
)

func TestNamedDaemons(t *testing.T) {
	var c Cluster
	found, err := c.named([]string{"containerd-node2", "kubelet-node2"})
	if err != nil || len(found) != 2 || found[0].Name != "kubelet-node2" {
		t.Errorf("%v, %v; want the kubelet first, which would start pods again", found, err)
	}
	if _, err := c.named([]string{"kube-apiserver", "none"}); err == nil || !strings.Contains(err.Error(), "no daemon none") {
		t.Errorf("an unknown daemon: %v", err)
	}
}
