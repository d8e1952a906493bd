package configmap

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestLocalOptions(t *testing.T) {
	d, problems := load(t, definitionWith(t, DriverLocal, "", options{
		"buildkitd": "/opt/bin/buildkitd", "rootlesskit": "rk", "root": "/var/cache//x", "default-load": "true", "timeout": "2m",
	}))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	n := d.Nodes[0]
	if diff := cmp.Diff(&Local{Buildkitd: "/opt/bin/buildkitd", Rootlesskit: "rk", Root: "/var/cache/x"}, n.Local); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&Remote{Address: "unix:///var/cache/x/buildkitd.sock", DefaultLoad: true, Timeout: 2 * time.Minute}, n.Remote); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(d, d.WithCacheDir("/home/me/.cache/slipway")); diff != "" {
		t.Errorf("a directory that is given was changed: %s", diff)
	}
}

func TestLocalCacheDir(t *testing.T) {
	set := Parse("f", []byte("Name: Laptop\nDriver: local\nNodes: [{Name: a}]\n"))
	before := set.Definitions()[0]
	if before.Nodes[0].Local.Root != "" || before.Nodes[0].Remote.Address != "" {
		t.Errorf("%+v", before.Nodes[0])
	}
	set.UseCacheDir("") // of a user without a home
	if got := set.Definitions()[0].Nodes[0].Local.Root; got != "" {
		t.Errorf("root %q without a home", got)
	}
	set.UseCacheDir("/home/me/.cache/slipway")
	n := set.Definitions()[0].Nodes[0]
	if n.Local.Root != "/home/me/.cache/slipway/local/laptop" || n.Remote.Address != "unix:///home/me/.cache/slipway/local/laptop/buildkitd.sock" {
		t.Errorf("%+v, %+v", n.Local, n.Remote)
	}
	if before.Nodes[0].Local.Root != "" {
		t.Error("the definition that was read before was changed")
	}
}

func TestLocalProblems(t *testing.T) {
	for _, c := range []struct{ name, node, want string }{
		{"endpoint", "Endpoint: unix:///x", "Endpoint: has no meaning with the driver local"},
		{"relative root", "DriverOpts: {root: cache}", `driver-opt root: "cache" is not the absolute path of a directory`},
		{"the root of all", "DriverOpts: {root: /x/..}", `driver-opt root: "/x/.." is not the absolute path of a directory`},
		{"relative program", "DriverOpts: {buildkitd: ./buildkitd}", `driver-opt buildkitd: "./buildkitd" is neither a name nor an absolute path`},
		{"no program", "DriverOpts: {rootlesskit: ''}", `driver-opt rootlesskit: "" is neither a name nor an absolute path`},
		{"timeout", "DriverOpts: {timeout: never}", `driver-opt timeout: "never" is not a duration`},
		{"option of kubernetes", "DriverOpts: {namespace: ci}", "driver-opt namespace: unknown option"},
		{"flag", "Flags: [--root=/x]", "--root=/x is set by the driver local itself"},
		{"workload", "Slipway: {idleTimeout: 1h}", "idleTimeout: has no meaning with the driver local, which has no workload"},
	} {
		_, problems := load(t, "Name: a\nDriver: local\nNodes: [{Name: m, "+c.node+"}]\n")
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, problems, c.want)
		}
	}
	_, problems := load(t, "Name: a\nDriver: local\nNodes: [{Name: a}, {Name: b}]\n")
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "the driver local has one node, and the builder has 2") {
		t.Errorf("two nodes: %v", problems)
	}
}

func TestImplied(t *testing.T) {
	for _, c := range []struct{ name, host, program, driver, address, why string }{
		{"a socket", "unix:///run/b.sock", "/bin/buildkitd", DriverRemote, "unix:///run/b.sock", "BUILDKIT_HOST"},
		{"a program", "", "/bin/buildkitd", DriverLocal, "", "/bin/buildkitd"},
	} {
		set, why, err := Implied(c.host, c.program)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		d, err := set.Select("")
		if err != nil || d.Driver != c.driver || d.Nodes[0].Remote.Address != c.address || !strings.Contains(why, c.why) {
			t.Errorf("%s: %+v, %v, %s", c.name, d, err, why)
		}
	}
	if set, why, err := Implied("", ""); set != nil || why != "" || err != nil {
		t.Errorf("nothing: %v, %q, %v", set, why, err)
	}
	_, _, err := Implied("ssh://u:geheim@host", "")
	if err == nil || !strings.Contains(err.Error(), "BUILDKIT_HOST") || strings.Contains(err.Error()+strings.Join(fault.Hints(err), ""), "geheim") {
		t.Errorf("a wrong address: %v", err)
	}
}

func TestCreateLocal(t *testing.T) {
	created, err := Create{Name: "laptop", Driver: DriverLocal, Options: DriverOpts{Values: map[string]string{"root": "/x"}}}.Apply(Source{})
	if err != nil {
		t.Fatal(err)
	}
	d := created.Definition
	if d.Driver != DriverLocal || d.Nodes[0].Name != "laptop0" || d.Nodes[0].Local.Root != "/x" {
		t.Errorf("%+v", d)
	}
	for name, c := range map[string]Create{
		"ENDPOINT":          {Name: "a", Driver: DriverLocal, Endpoint: "unix:///x"},
		"--driver-opt root": {Name: "a", Driver: DriverLocal, Options: DriverOpts{Values: map[string]string{"root": "x"}}},
		"--profile":         {Name: "a", Driver: DriverLocal, Profile: "restricted"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The options of a node that exists are checked by the builder's driver.
	if err := (Create{Name: "a", Node: "a0", Options: DriverOpts{Values: map[string]string{"root": "/y"}}}).Validate(); err != nil {
		t.Error(err)
	}
}
