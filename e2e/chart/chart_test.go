// Package chart tests the chart without a cluster: that its generated files
// are up to date, and what Helm 3 and Helm 4 make of it.
package chart

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/e2e/helm"
)

const (
	root     = "../../"
	chartDir = root + "charts/slipway"
	// kubeVersion stands for a cluster's.
	kubeVersion = "v1.37.0"
)

// random is what no two calls have in common.
var random = regexp.MustCompile(`(?m)^(  (?:ca|tls)\.(?:crt|key)): \S+$`)

// between is what stands between two objects: Helm 4 leaves a line empty.
var between = regexp.MustCompile(`\n+---\n`)

var update = flag.Bool("update", false, "write the golden and the generated files instead of comparing with them")

func TestLint(t *testing.T) {
	for _, p := range programs(t) {
		for _, values := range cases(t) {
			if out, err := p.Run(t.Context(), "lint", "--strict", chartDir, "--values", values); err != nil {
				t.Errorf("%s: %v\n%s", values, err, out)
			}
		}
		if out, err := p.Run(t.Context(), "lint", "--strict", chartDir); err != nil {
			t.Errorf("without values: %v\n%s", err, out)
		}
	}
}

// TestTemplate compares what the values of testdata/NAME/values.yaml become
// with testdata/NAME/golden.yaml. Both versions of Helm must agree.
func TestTemplate(t *testing.T) {
	for i, p := range programs(t) {
		for _, values := range cases(t) {
			dir := filepath.Dir(values)
			t.Run(p.Version+"/"+filepath.Base(dir), func(t *testing.T) {
				out, err := p.Run(t.Context(), "template", "slipway", chartDir, "--namespace", "buildkit", "--values", values, "--kube-version", kubeVersion)
				if err != nil {
					t.Fatal(err)
				}
				if *update && i > 0 {
					return
				}
				out = random.ReplaceAllString(out, "$1: made anew")
				golden(t, filepath.Join(dir, "golden.yaml"), between.ReplaceAllString(strings.TrimSpace(out)+"\n", "\n---\n"))
			})
		}
	}
}

// TestMistakes gives values that must be refused, with words that say why.
func TestMistakes(t *testing.T) {
	const node = "builders: {kube: {nodes: [{name: amd64}]}}\n"
	for _, tt := range []struct {
		name, values string
		words        []string
	}{
		{"no builder", "", []string{"builders is empty"}},
		{"an unknown key", node + "networkpolicy: {}", []string{"networkpolicy"}},
		{"an unknown key of a builder", "builders: {kube: {platform: x, nodes: [{name: amd64}]}}", []string{"/builders/kube", "platform"}},
		{"an unknown option", "builders: {kube: {nodes: [{name: amd64, driverOpts: {toleration: x}}]}}", []string{"/builders/kube/nodes/0/driverOpts", "toleration"}},
		{"an option of the other driver", "builders: {kube: {driver: remote, driverOpts: {replicas: 2}, nodes: [{name: amd64, endpoint: 'tcp://b:1234'}]}}", []string{"/builders/kube/driverOpts", "replicas"}},
		{"an older spelling", "builders: {kube: {nodes: [{name: amd64, driverOpts: {annotation: a=b}}]}}", []string{"driverOpts", "annotation"}},
		{"a quantity", "builders: {kube: {nodes: [{name: amd64, driverOpts: {limits.memory: 8 GB}}]}}", []string{"limits.memory"}},
		{"no replicas", "builders: {kube: {nodes: [{name: amd64, driverOpts: {replicas: 0}}]}}", []string{"replicas"}},
		{"a timeout", "builders: {kube: {nodes: [{name: amd64, driverOpts: {timeout: 5 minutes}}]}}", []string{"timeout"}},
		{"a toleration", "builders: {kube: {nodes: [{name: amd64, driverOpts: {tolerations: [{key: a, effect: Never}]}}]}}", []string{"tolerations", "effect"}},
		{"no node", "builders: {kube: {nodes: []}}", []string{"/builders/kube/nodes"}},
		{"a node without a name", "builders: {kube: {nodes: [{platforms: [linux/amd64]}]}}", []string{"/builders/kube/nodes/0", "name"}},
		{"a name that no workload can have", "builders: {kube: {nodes: [{name: AMD64}]}}", []string{"/builders/kube/nodes/0/name"}},
		{"a platform", "builders: {kube: {nodes: [{name: amd64, platforms: [amd64]}]}}", []string{"/builders/kube/nodes/0/platforms/0"}},
		{"a builder's name", "builders: {1st: {nodes: [{name: amd64}]}}", []string{"1st"}},
		{"two builders of one name", "builders: {kube: {nodes: [{name: a}]}, Kube: {nodes: [{name: b}]}}", []string{"differ in case only"}},
		{"two nodes of one workload", "builders: {kube: {nodes: [{name: a-b}]}, other: {nodes: [{name: a_b}]}}", []string{"builders.other: node a_b", "builder kube"}},
		{"a private key", "builders: {kube: {nodes: [{name: a, files: {certs/r/key.pem: secret}}]}}", []string{"builders.kube: node a", "certs/r/key.pem", "podTemplate"}},
		{"a private key by its content", "builders: {kube: {nodes: [{name: a, files: {certs/r/x: '-----BEGIN EC PRIVATE KEY-----'}}]}}", []string{"certs/r/x"}},
		{"the configuration twice", "builders: {kube: {config: debug = true, nodes: [{name: a, files: {buildkitd.toml: debug = true}}]}}", []string{"builders.kube: node a", "keep one"}},
		{"a comma in an annotation", "builders: {kube: {nodes: [{name: a, driverOpts: {annotations: {k: 'a,b'}}}]}}", []string{"driverOpts.annotations: k has a comma"}},
		{"a role", node + "agents: [{serviceAccount: a, role: admin}]", []string{"/agents/0/role"}},
		{"an agent without an account", node + "agents: [{namespace: ci}]", []string{"/agents/0", "serviceAccount"}},
		{"no certificates", "certificates: {mode: existing}\n" + node, []string{"builders.kube: node amd64", "slipway.tls"}},
		{"a mode", "certificates: {mode: none}\n" + node, []string{"/certificates/mode"}},
		{"an address", node + "networkPolicy: {deny: [169.254.169.254]}", []string{"/networkPolicy/deny/0"}},
		{"an address of the API server", node + "networkPolicy: {apiServer: [10.96.0.1]}", []string{"/networkPolicy/apiServer/0"}},
		{"exec without the right", "builders: {kube: {slipway: {transport: exec}, nodes: [{name: amd64}]}}", []string{"builders.kube: node amd64", "rbac.exec to true"}},
		{"a budget", node + "podDisruptionBudget: {maxUnavailable: all}", []string{"/podDisruptionBudget/maxUnavailable"}},
		{"a gateway's certificates", "gateway: {enabled: true, certificates: {mode: existing}}\n" + node, []string{"name the Secret in gateway.certificates.secret"}},
		{"a gateway's Secret in another mode", "gateway: {enabled: true, certificates: {secret: own}}\n" + node, []string{"gateway.certificates", "for the mode existing, and the mode is helm"}},
		{"a push without a registry", "gateway: {enabled: true, allowPush: [r.example/**]}\n" + node, []string{"gateway.allowPush", "gateway.registries"}},
		{"a client elsewhere", "gateway: {enabled: true, certificates: {mode: certManager}, clients: [{name: a, namespace: ci}]}\n" + node, []string{"gateway.clients: a: an Issuer signs in its own namespace only"}},
		{"a client's name", "gateway: {enabled: true, clients: [{name: Team A}]}\n" + node, []string{"/gateway/clients/0/name"}},
		{"a gateway's address", "gateway: {enabled: true, address: builders.example}\n" + node, []string{"/gateway/address"}},
		{"a schedule", node + "gc: {schedule: hourly}", []string{"/gc/schedule"}},
		{"an image's digest", node + "image: {digest: abc}", []string{"/image/digest"}},
	} {
		values := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(values, []byte(tt.values), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, p := range programs(t) {
			t.Run(p.Version+"/"+tt.name, func(t *testing.T) {
				out, err := p.Run(t.Context(), "template", "slipway", chartDir, "--values", values, "--kube-version", kubeVersion)
				if err == nil {
					t.Fatalf("accepted:\n%s", out)
				}
				for _, word := range tt.words {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("no %q in: %v", word, err)
					}
				}
			})
		}
	}
}

func programs(t *testing.T) []helm.Program {
	t.Helper()
	all, err := helm.All(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// cases are the values of all cases.
func cases(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("testdata/*/values.yaml")
	if err != nil || len(all) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return all
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is out of date, run: cd e2e && go test ./chart -update (-file +now):\n%s", path, diff)
	}
}

func readJSON(t *testing.T, path string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return value
}
