package configmap

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

func TestGCProblems(t *testing.T) {
	const node = "Name: a\nDriver: kubernetes\nNodes:\n- Name: m\n  "
	with := func(config string) string {
		return node + "Slipway: {gc: {maxUsedSpace: 10GB}}\n  Files: {buildkitd.toml: " + base64.StdEncoding.EncodeToString([]byte(config)) + "}\n"
	}
	already := func(setting string) []string {
		return []string{"node m: Slipway.gc: buildkitd.toml: [worker.oci] has " + setting + " already"}
	}
	for _, test := range []struct {
		name, text string
		want       []string
		hint       string
	}{
		{"all forms", node + "Slipway: {gc: {reservedSpace: 0, maxUsedSpace: 100%, minFreeSpace: 1.5gb}}\n", nil, ""},
		{"a number of bytes", node + "Slipway: {gc: {reservedSpace: 512000000}}\n", nil, ""},
		{"no sizes", node + "Slipway: {gc: {reservedSpace: much, maxUsedSpace: 101%, minFreeSpace: -1}}\n", []string{
			`node m: Slipway.gc.reservedSpace: "much" is not a size`, `node m: Slipway.gc.maxUsedSpace: "101%" is not a size`, `node m: Slipway.gc.minFreeSpace: "-1" is not a size`,
		}, "20GB, 512MB or 30%"},
		{"more of them", node + "Slipway: {gc: {reservedSpace: true, maxUsedSpace: '', minFreeSpace: -5%}}\n", []string{
			"node m: Slipway.gc.reservedSpace: must be a size or a percentage, not true", `Slipway.gc.maxUsedSpace: "" is not`, `Slipway.gc.minFreeSpace: "-5%" is not`,
		}, ""},
		{"a typo", node + "Slipway: {gc: {keepStorage: 1GB}}\n", []string{"node m: Slipway.gc.keepStorage: unknown key"}, ""},
		{"reserved is more", node + "Slipway: {gc: {reservedSpace: 2GB, maxUsedSpace: 1GB}}\n", []string{"node m: Slipway.gc: reservedSpace is more than maxUsedSpace"}, ""},
		{"reserved may be more", node + "Slipway: {gc: {reservedSpace: 2GB, maxUsedSpace: 1%}}\n", nil, ""},
		{"reserved has no bound above", node + "Slipway: {gc: {reservedSpace: 2GB, maxUsedSpace: 0}}\n", nil, ""},
		{"beside a size", with("[worker.oci]\nminFreeSpace = 1\n"), already("minFreeSpace"), "in one place only"},
		{"beside a size in any case", with("[worker.oci]\nReservedSpace = '1%'\n"), already("reservedSpace"), ""},
		{"beside the older name", with("[worker.oci]\ngckeepstorage = 9000\n"), already("gckeepstorage"), ""},
		{"beside rules", with("[[worker.oci.gcpolicy]]\nall = true\n"), already("gcpolicy"), ""},
		{"beside none at all", with("[worker.oci]\ngc = false\n"), already("gc = false"), ""},
		{"of a worker that is off", with("[worker.oci]\nenabled = false\n"), already("enabled = false"), ""},
		{"beside others' settings", with("[worker.containerd]\nreservedSpace = '1%'\ngc = false\n[worker.oci]\ngc = true\nmax-parallelism = 2\n"), nil, ""},
		{"no configuration", with("[worker\n"), []string{"node m: Slipway.gc: buildkitd.toml: is not a configuration of buildkitd: line 1"}, ""},
		{"a wrong type", with("worker = 1\n"), []string{"buildkitd.toml: is not a configuration of buildkitd"}, ""},
		{"another file", node + "Slipway: {gc: {maxUsedSpace: 1GB}}\n  Flags: [--config, /etc/buildkit/other.toml]\n", []string{"node m: Slipway.gc: has no place: the flag --config names a file that is not the definition's"}, "put that file into Files"},
		{"a file elsewhere", node + "Slipway: {gc: {maxUsedSpace: 1GB}}\n  Flags: [--config=/mine/buildkitd.toml]\n", []string{"node m: Slipway.gc: has no place"}, ""},
		{"a flag that says it", node + "Slipway: {gc: {maxUsedSpace: 1GB}}\n  Flags: [--oci-worker-gc-keepstorage=9000]\n", []string{"node m: Slipway.gc: has no effect beside the flag --oci-worker-gc-keepstorage=9000"}, ""},
		{"a flag that says it with a space", node + "Slipway: {gc: {maxUsedSpace: 1GB}}\n  Flags: [--oci-worker-gc-keepstorage, '9000']\n", []string{"has no effect beside the flag --oci-worker-gc-keepstorage"}, ""},
		{"a flag against it", node + "Slipway: {gc: {maxUsedSpace: 1GB}}\n  Flags: [--oci-worker-gc=false]\n", []string{"has no effect beside the flag --oci-worker-gc=false"}, ""},
		{"a flag for it", node + "Slipway: {gc: {maxUsedSpace: 1GB}}\n  Flags: [--oci-worker-gc=true, --oci-worker-snapshotter=native]\n", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) { checkProblems(t, test.text, test.want, test.hint) })
	}
}

func TestGCIsMerged(t *testing.T) {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	const commented = "# mine\ndebug = true\n"
	d, problems := load(t, fmt.Sprintf(`
Name: a
Driver: kubernetes
Slipway: {gc: {reservedSpace: 10%%, maxUsedSpace: 60%%, minFreeSpace: 20GB}}
Nodes:
- Name: plain
- Name: file
  Files: {buildkitd.toml: %s, other: ''}
- Name: named
  Flags: [--config, /etc/buildkit/own/my.toml]
  Files: {own/my.toml: %s, buildkitd.toml: ''}
- Name: own
  Files: {buildkitd.toml: %s}
  Slipway: {gc: {maxUsedSpace: 5000}}
- Name: none
  Files: {buildkitd.toml: %s}
  Slipway: {gc: {}}
`, encode("debug = true\n[Worker.oci]\nmax-parallelism = 4\n[Worker.oci.labels]\na = \"b\"\n"), encode("[worker]\n"), encode(commented), encode(commented)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	group := map[string]any{"reservedSpace": "10%", "maxUsedSpace": "60%", "minFreeSpace": "20GB"}
	for i, test := range []struct {
		file  string
		names string
		want  map[string]any
	}{
		{"buildkitd.toml", "buildkitd.toml", map[string]any{"worker": map[string]any{"oci": group}}},
		{"buildkitd.toml", "buildkitd.toml other", map[string]any{"debug": true, "Worker": map[string]any{"oci": map[string]any{
			"reservedSpace": "10%", "maxUsedSpace": "60%", "minFreeSpace": "20GB", "max-parallelism": int64(4), "labels": map[string]any{"a": "b"},
		}}}},
		{"own/my.toml", "buildkitd.toml own/my.toml", map[string]any{"worker": map[string]any{"oci": group}}},
		{"buildkitd.toml", "buildkitd.toml", map[string]any{"debug": true, "worker": map[string]any{"oci": map[string]any{"maxUsedSpace": "5000"}}}},
	} {
		n := d.Nodes[i]
		if got := strings.Join(keysOf(n.Files), " "); got != test.names {
			t.Errorf("node %s: files %s, want %s", n.Name, got, test.names)
		}
		got := map[string]any{}
		if err := toml.Unmarshal(n.Files[test.file], &got); err != nil {
			t.Fatalf("node %s: %v\n%s", n.Name, err, n.Files[test.file])
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("node %s: %s", n.Name, diff)
		}
	}
	// Where there is nothing to say, nothing is written again.
	if got := string(d.Nodes[4].Files["buildkitd.toml"]); got != commented {
		t.Errorf("node none: %q", got)
	}
}

// FuzzMergeGC holds that a configuration keeps what it had: what is merged is
// read by buildkitd and has the policy, or there is a problem.
func FuzzMergeGC(f *testing.F) {
	for _, seed := range []string{"", "debug = true", "[worker.oci]\ngc = true\n", "worker = {oci = {}}\n", "[Worker]\n[worker.OCI]\n", "worker.oci.gc=false", "a = 1979-05-27", "[[worker]]"} {
		f.Add(seed)
	}
	policy := gcPolicy{maxUsedSpace: &diskSpace{text: "60%", amount: 60, percent: true}}
	f.Fuzz(func(t *testing.T, text string) {
		merged, problem := mergeGC([]byte(text), policy)
		if problem != "" {
			return
		}
		var got gcSettings
		if err := toml.Unmarshal(merged, &got); err != nil {
			t.Fatalf("%q became %q: %v", text, merged, err)
		}
		if got.Worker.OCI.MaxUsedSpace != "60%" {
			t.Errorf("%q became %q", text, merged)
		}
		if _, again := mergeGC(merged, policy); !strings.Contains(again, "maxUsedSpace") {
			t.Errorf("%q takes the policy twice", text)
		}
	})
}
