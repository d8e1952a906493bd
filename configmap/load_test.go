package configmap

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/source"
)

// minimal is a valid definition of a builder.
func minimal(name string) string {
	return fmt.Sprintf(`{"Name":%q,"Driver":"kubernetes","Nodes":[{"Name":"%s0"}]}`, name, strings.ToLower(name))
}

// write makes a directory with files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// mount lays files out as the kubelet does for a ConfigMap volume.
func mount(t testing.TB, files map[string]string) string {
	t.Helper()
	inner := make(map[string]string, len(files))
	for name, content := range files {
		inner["..2026_11_21_07_00_00.1234567890/"+name] = content
	}
	dir := write(t, inner)
	if err := os.Symlink("..2026_11_21_07_00_00.1234567890", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(definitions []Definition) []string {
	var list []string
	for _, d := range definitions {
		list = append(list, d.Name+" in "+filepath.Base(d.File))
	}
	return list
}

func TestLoadReadsDirectories(t *testing.T) {
	for _, test := range []struct {
		name string
		path string
		want []string
	}{
		{"mounted ConfigMap with several keys", mount(t, map[string]string{"data": minimal("kube"), "b.yaml": "Name: yaml\nDriver: kubernetes\nNodes: [{Name: yaml0}]\n"}), []string{"kube in data", "yaml in b.yaml"}},
		{"single file, as subPath mounts it", filepath.Join(write(t, map[string]string{"kube": minimal("kube")}), "kube"), []string{"kube in kube"}},
		{"what buildx keeps beside", write(t, map[string]string{"kube": minimal("kube"), ".lock": "", ".buildNodeID": "1", "defaults/x": "kube", "activity/kube": "2026-11-21T07:00:00Z", "refs/kube/kube0/x": "{}"}), []string{"kube in kube"}},
		{"several documents", write(t, map[string]string{"all.yaml": "# builders\n---\n" + minimal("a") + "\n---\n# nothing\n---\n" + minimal("b") + "\n...\n"}), []string{"a in all.yaml", "b in all.yaml"}},
		{"several JSON values", write(t, map[string]string{"all": minimal("a") + minimal("b")}), []string{"a in all", "b in all"}},
		{"byte order mark", write(t, map[string]string{"kube": "\ufeff" + minimal("kube")}), []string{"kube in kube"}},
		{"broken one beside", write(t, map[string]string{"bad": "{", "kube": minimal("kube")}), []string{"kube in kube"}},
		{"the examples", "testdata/valid", []string{"kube in kube", "legacy in legacy", "remote in remote.yaml", "shared in example.yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := Load(nil, test.path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(set.Definitions())); diff != "" {
				t.Errorf("%s\n%v", diff, set.Broken())
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct {
		name, path, want string
	}{
		{"absent", filepath.Join(t.TempDir(), "no"), "cannot be read: no such file or directory"},
		{"empty directory", t.TempDir(), "the directory holds no file"},
		{"mount of an empty ConfigMap", mount(t, nil), "the directory holds no file"},
		{"buildx's state directory", write(t, map[string]string{"instances/kube": minimal("kube"), "current": "{}"}), "this is buildx's state directory"},
		{"endless file", "/dev/zero", "longer than 4 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "mount of an empty ConfigMap" {
				if err := os.MkdirAll(filepath.Join(test.path, "..data"), 0o755); err != nil && !os.IsExist(err) {
					t.Fatal(err)
				}
			}
			_, err := Load(source.New(t.Context(), nil), test.path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("got %v, want the path and %q", err, test.want)
			}
			if h, ok := err.(interface{ Hints() []string }); !ok || len(h.Hints()) == 0 {
				t.Errorf("%v has no hint", err)
			}
		})
	}
}

func TestLoadKeepsFilesThatCannotBeRead(t *testing.T) {
	dir := write(t, map[string]string{"kube": minimal("kube"), "empty": "", "comment.yaml": "# later\n"})
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Load(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Select("kube"); err != nil {
		t.Errorf("the good one: %v", err)
	}
	for name, want := range map[string]string{
		"empty": "is empty", "comment": "is empty", "dangling": "cannot be read: no such file", "pipe": "not a regular file",
	} {
		if _, err := set.Select(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func TestSyntaxErrorsNameThePlace(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"json, missing comma", "{\n  \"Name\": \"a\"\n  \"Driver\": \"kubernetes\"\n}", `is not valid JSON: line 3, column 3: invalid character '"' after object key:value pair`},
		{"json, cut off", "{\n  \"Name\": \"a\",", "is not valid JSON: line 2, column 14: the text ends too early"},
		{"json, key twice", `{"Name":"a","Name":"b"}`, `holds a key twice: duplicate field "Name"`},
		{"yaml, tab", "Name: a\nNodes:\n\t- Name: x\n", "is not valid YAML: line 3: found character that cannot start any token"},
		{"yaml, second document", "Name: a\n---\nName: b\n  x: [\n", "line 4"},
		{"yaml, key twice", "Name: a\nName: b\n", `is not valid YAML: line 2: key "Name" already set in map`},
		{"binary", "\x7fELF\xff\xfe", "is not a text file in UTF-8"},
		{"list", "[1]", "is not a builder definition: it holds a list"},
		{"text", "hello", "is not a builder definition: it holds a string"},
		{"null", "null", "is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := Load(nil, filepath.Join(write(t, map[string]string{"kube.x": test.content}), "kube.x"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = set.Select("")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v\nwant one line with %s", err, test.want)
			}
		})
	}
}

func TestForeignFilesAreRecognised(t *testing.T) {
	for _, test := range []struct{ name, content, want, hint string }{
		{"inspect", `{"Name":"kube","Driver":"kubernetes","LastActivity":"2026-11-21T07:00:00Z","Dynamic":false,"Nodes":[{"Name":"n","Endpoint":"","Platforms":["linux/amd64"]}]}`, "docker buildx inspect or ls", "instances/<builder>"},
		{"inspect as text", "Name:   kube\nDriver:   kubernetes\n\nNodes:\nName:   n\nEndpoint:   x\n", "docker buildx inspect or ls", "instances/<builder>"},
		{"ls, one line per builder", `{"Name":"a","Current":true,"Nodes":[{"Name":"n","Status":"running"}]}` + "\n" + `{"Name":"b","Nodes":[{"Status":"running"}]}`, "docker buildx inspect or ls", "instances/<builder>"},
		{"ConfigMap", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  kube: |\n    {}\n", "Kubernetes ConfigMap manifest", `its key "kube"`},
		{"other manifest", "apiVersion: apps/v1\nkind: Deployment\n", "kind Deployment", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := Load(nil, filepath.Join(write(t, map[string]string{"f": test.content}), "f"))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range set.entries {
				if len(e.problems) != 1 || !strings.Contains(e.problems[0].Message, test.want) || !strings.Contains(e.problems[0].Hint, test.hint) {
					t.Errorf("got %v with hints %q, want %q and %q", e.problems, e.problems.Hints(), test.want, test.hint)
				}
			}
		})
	}
}

func TestForeignOutputOfBuildx(t *testing.T) {
	for _, file := range []string{"testdata/buildx/ls.json", "testdata/buildx/inspect.txt"} {
		set, err := Load(nil, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range set.entries {
			if len(e.problems) != 1 || e.problems[0].Message != buildxOutput || e.problems[0].Hint != useInstanceFile {
				t.Errorf("%s: got %v", file, e.problems)
			}
		}
	}
}

func BenchmarkLoad200(b *testing.B) {
	example, err := os.ReadFile("testdata/valid/kube")
	if err != nil {
		b.Fatal(err)
	}
	files := make(map[string]string)
	for i := range 200 {
		name := fmt.Sprintf("kube%d", i)
		files[name] = strings.Replace(string(example), `"Name": "kube"`, fmt.Sprintf(`"Name": %q`, name), 1)
	}
	dir := mount(b, files)
	for b.Loop() {
		set, err := Load(nil, dir)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := set.Select("kube199"); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/valid/*", "testdata/mistakes/*", "testdata/buildx/*.*", "testdata/buildx/instances/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte("Name: a\n---\nkind: ConfigMap\napiVersion: v1\n"))
	f.Add([]byte(`{"Name":"a","Driver":"kubernetes","Slipway":{"podTemplate":{"spec":{"$patch":"replace","containers":[{"$patch":"delete","name":"x"}],"$setElementOrder/containers":[{"name":"x"}]}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries := read("kube", data)
		if len(entries) == 0 {
			t.Fatal("a file without an entry is passed over in silence")
		}
		for _, e := range entries {
			if e.name == "" {
				t.Error("an entry without a name cannot be selected")
			}
			for _, p := range e.problems {
				if p.Message == "" || p.File == "" {
					t.Errorf("a problem that says nothing: %+v", p)
				}
			}
			if len(e.problems) == 0 && (e.definition.Name == "" || len(e.definition.Nodes) == 0) {
				t.Errorf("a definition without a name or nodes passes: %+v", e.definition)
			}
		}
		if _, err := newSet("kube", entries).Select(entries[0].name); err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
