package agent

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/remote"
)

func TestRegistryHosts(t *testing.T) {
	definition := configmap.Definition{Name: "kube", Nodes: []configmap.Node{
		{Name: "plain"},
		{Name: "amd", Files: map[string][]byte{
			"certs/reg/ca.pem":  []byte("CA"),
			"certs/reg/own.crt": []byte("CERT"),
			"certs/reg/own.key": []byte("KEY"),
			"buildkitd.toml": []byte(`
debug = true
[worker.oci]
  gc = true
[registry."reg.example:5000"]
  ca = ["/etc/buildkit/certs/reg/ca.pem", "/usr/share/only-in-the-pod.pem", "certs/reg/ca.pem"]
  [[registry."reg.example:5000".keypair]]
    cert = "/etc/buildkit/certs/reg/own.crt"
    key = "/etc/buildkit/certs/reg/../reg/own.key"
  [[registry."reg.example:5000".keypair]]
    cert = "/etc/buildkit/nowhere"
    key = "/etc/buildkit/nowhere"
[registry."old.example"]
  http = true
  insecure = true
[registry."docker.io"]
  mirrors = ["mirror.example"]
`),
		}},
		{Name: "arm", Files: map[string][]byte{"buildkitd.toml": []byte("[registry.\"reg.example:5000\"]\nhttp = true\n[registry.\"more.example\"]\nhttp = true\n")}},
	}}
	got, err := RegistryHosts(definition)
	if err != nil {
		t.Fatal(err)
	}
	want := remote.Hosts{
		"reg.example:5000": {CAs: [][]byte{[]byte("CA"), []byte("CA")}, KeyPairs: []remote.KeyPair{{Cert: []byte("CERT"), Key: []byte("KEY")}}},
		"old.example":      {PlainHTTP: true, Insecure: true},
		"docker.io":        {},
		"more.example":     {PlainHTTP: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestRegistryHostsOfABrokenConfiguration(t *testing.T) {
	_, err := RegistryHosts(configmap.Definition{Name: "kube", Nodes: []configmap.Node{
		{Name: "amd", Files: map[string][]byte{"buildkitd.toml": []byte("[registry\n")}},
	}})
	if fault.ClassOf(err) != fault.ClassUsage {
		t.Fatalf("error %v is not of the class usage", err)
	}
	for _, word := range []string{"kube", "amd", "buildkitd.toml"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not name %s", err, word)
		}
	}
}

func TestRegistryMirrors(t *testing.T) {
	got, err := RegistryMirrors(configmap.Definition{Nodes: []configmap.Node{
		{Files: map[string][]byte{"buildkitd.toml": []byte("[registry.\"docker.io\"]\n  mirrors = [\"m.example:5000/proxy\", \"https://n.example\"]\n")}},
		{Files: map[string][]byte{"buildkitd.toml": []byte("[registry.\"ghcr.io\"]\n  mirrors = [\"n.example\"]\n")}},
		{},
	}})
	if want := []string{"m.example:5000", "n.example"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}
