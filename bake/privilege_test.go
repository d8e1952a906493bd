package bake

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMissing tests what a bake file may not do by itself.
func TestMissing(t *testing.T) {
	dir := t.TempDir()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range []string{"work/https:", "work/git@here", "work/sub", "x", "y"} {
		if err := os.MkdirAll(filepath.Join(dir, made), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, real = filepath.Join(dir, "work"), filepath.Join(real, "work")
	for name, to := range map[string]string{"link": "/etc", "inner": "sub"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	file := func(target string) string { return "target \"default\" {\n" + target + "\n}" }
	tests := []struct {
		name, file string
		allow, set []string
		filesOff   bool
		want       []string
	}{
		{name: "nothing", file: file(`context = "sub"`)},
		{name: "outside", file: file(`context = "../x"`), want: []string{"fs.read=../x", "fs.read=../x/Dockerfile"}},
		{name: "outside, allowed", file: file(`context = "../x"`), allow: []string{"fs.read=.."}},
		{name: "everything", file: file(`context = "/"`), allow: []string{"fs=*"}},
		{name: "not looked at", file: file(`context = "/"`), filesOff: true},
		{name: "absolute, inside", file: file(`context = "` + real + `/sub"`)},
		{name: "a name that begins alike", file: file(`context = "` + real + `x"`), want: []string{"fs.read=" + real + "x", "fs.read=" + real + "x/Dockerfile"}},
		{name: "through a link", file: file(`secret = ["id=x,src=link/passwd"]`), want: []string{"fs.read=link/passwd"}},
		{name: "from a link to above its target", file: file(`secret = ["id=x,src=link/../x"]`), want: []string{"fs.read=link/../x"}},
		{name: "from a link to above its target, a new file", file: file(`output = ["type=tar,dest=link/../new/../y"]`), want: []string{"fs.write=link/../new/../y"}},
		{name: "from a link to above its target, named", file: file(``), set: []string{"default.secrets=id=x,src=link/../x"}},
		{name: "above a link, inside", file: file(`secret = ["id=x,src=inner/../x"]`)},
		{name: "a directory that looks like a URL", file: file(`context = "https://../../x"` + "\n" + `contexts = {a = "git@here/../../y"}` + "\n" + `dockerfile-inline = "FROM x"`), want: []string{"fs.read=git@here/../../y", "fs.read=https://../../x"}},
		{name: "a directory that looks like a URL, inside", file: file(`context = "https://../sub"`)},
		{name: "a secret of the environment", file: file(`secret = ["id=HERE"]`)},
		{name: "a secret that is a file", file: file(`secret = ["id=/etc/x"]`), want: []string{"fs.read=/etc/x"}},
		{name: "remote", file: file(`context = "https://example.com/x.git"` + "\n" + `dockerfile = "/etc/x"`)},
		{name: "written", file: file(`output = ["type=local,dest=/out"]` + "\n" + `cache-to = ["type=local,dest=../c"]`), want: []string{"fs.write=../c", "fs.write=/out"}},
		{name: "written, allowed to be read", file: file(`output = ["type=local,dest=/out"]`), allow: []string{"fs.read=/out"}, want: []string{"fs.write=/out"}},
		{name: "named by --set", file: file(``), set: []string{"default.output=/out"}},
		{name: "standard output", file: file(`output = ["-"]`)},
		{name: "a layout", file: file(`contexts = { x = "oci-layout:///l:tag@sha256:00" }`), want: []string{"fs.read=/l"}},
		{name: "entitlements", file: file(`entitlements = ["security.insecure", "device=x"]` + "\n" + `network = "host"`), want: []string{"security.insecure", "device=x", "network.host"}},
		{name: "entitlements, allowed", file: file(`entitlements = ["device=x"]` + "\n" + `network = "host"`), allow: []string{"device", "network.host"}},
		{name: "the agent", file: file(`ssh = ["default"]`), want: []string{"ssh"}},
		{name: "files that are removed", file: file(`output = ["type=local,dest=out,mode=delete"]`), want: []string{"buildx.local.delete"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config, err := Parse(Input{Files: []File{{Name: "docker-bake.hcl", Data: []byte(tt.file)}}})
			if err != nil {
				t.Fatal(err)
			}
			plan, err := config.Plan([]string{"default"}, tt.set)
			if err == nil {
				err = plan.Locate()
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := ParsePrivileges(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			got := p.Missing(plan, dir, !tt.filesOff, func(name string) (string, bool) { return "", name == "HERE" })
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
	for _, value := range []string{"fs", "fs.read=", "network.host=x", "nothing"} {
		if _, err := ParsePrivileges([]string{value}); err == nil {
			t.Errorf("--allow %s: no error", value)
		}
	}
}

// FuzzParse tests that no file makes the parser fail in another way than by an error,
// and that what is printed of a plan is JSON.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("docker-bake.hcl", string(text))
	}
	f.Add("docker-bake.hcl", `target "default" { tags = [for x in ["a"] : upper(x)] }`)
	f.Add("compose.yaml", "services: {a: {build: {context: ., args: [X], ulimits: {a: 1}}}}")
	f.Add("docker-bake.json", `{"target": {"default": {"output": ["x"]}}}`)
	f.Add("-", "x")
	f.Fuzz(func(t *testing.T, name, text string) {
		config, err := Parse(Input{Files: []File{{Name: name, Data: []byte(text)}}})
		if err != nil {
			return
		}
		plan, err := config.Plan(append(config.Names(), "*"), nil)
		if err != nil {
			return
		}
		if err := plan.Locate(); err != nil {
			return
		}
		for _, target := range plan.Targets {
			if _, err := target.MarshalJSON(); err != nil {
				t.Errorf("%s: %v", target.Name, err)
			}
		}
	})
}
