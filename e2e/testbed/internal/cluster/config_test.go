package cluster

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	text, err := render("kubelet", map[string]any{
		"IP": "10.0.0.1", "HealthPort": 1, "Secrets": "/s", "Socket": "/n/c.sock", "Cgroup": "g/node1", "Folder": "/n", "FailsOnCgroupV1": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"address: \"10.0.0.1\"\n", "clientCAFile: /s/ca.crt}", "unix:///n/c.sock\n", "cgroupRoot: /g/node1\nfailCgroupV1: false\nenforce", "podLogsDir: /n/pod-logs\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the kubelet's configuration lacks %q:\n%s", want, text)
		}
	}
	if _, err := render("kubelet", map[string]any{"IP": "10.0.0.1"}); err == nil {
		t.Error("a forgotten value is not an error")
	}
}

func TestPodNetworkConfig(t *testing.T) {
	for _, families := range []Families{"", IPv4, IPv6, Dual} {
		for _, n := range nodes {
			text, err := Cluster{Families: families}.podNetworkConfig(n, "/n")
			if err != nil {
				t.Fatal(err)
			}
			four, six := strings.Contains(text, n.podCIDR4), strings.Contains(text, n.podCIDR6)
			if !json.Valid([]byte(text)) || four != (families != IPv6) || six != (families == IPv6 || families == Dual) || !strings.Contains(text, n.name) {
				t.Errorf("pod network of %s, %s:\n%s", n.name, families, text)
			}
		}
	}
}
