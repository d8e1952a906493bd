package buildref

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStateOf(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ context, dockerfile, local, file string }{
		{".", "", dir, dir + "/Dockerfile"},
		{"app", "build/Dockerfile", dir + "/app", dir + "/build/Dockerfile"},
		{dir + "/app/", "/etc/Dockerfile", dir + "/app", "/etc/Dockerfile"},
		{"app", "-", dir + "/app", "-"},
		{"app", "https://example/Dockerfile", dir + "/app", "https://example/Dockerfile"},
		{"-", "", "-", ""},
		{"https://example/r.git#main", "build.Dockerfile", "https://example/r.git#main", "build.Dockerfile"},
	} {
		if got, want := StateOf(dir, c.context, c.dockerfile), (State{"default", c.local, c.file}); got != want {
			t.Errorf("%s, %s: %+v, want %+v", c.context, c.dockerfile, got, want)
		}
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	if err := Save(t.Context(), dir, "kube/kube0/abc", State{Target: "default", LocalPath: "/src", DockerfilePath: "/src/Dockerfile"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "refs/kube/kube0/abc"))
	if want := `{"Target":"default","LocalPath":"/src","DockerfilePath":"/src/Dockerfile"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	for _, ref := range []string{"", "kube", "kube/kube0", "kube/../x", "kube/kube0/..", "../kube/x", "a/b/c/d", "kube//x", "kube/./x"} {
		if err := Save(t.Context(), dir, ref, State{}); err == nil {
			t.Errorf("%q is taken", ref)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if err := Save(t.Context(), dir, "kube/kube0/abc", State{Target: "default", LocalPath: "/src"}); err != nil {
		t.Fatal(err)
	}
	if got, want := string(Load(dir, "kube/kube0/abc")), `{"Target":"default","LocalPath":"/src","DockerfilePath":""}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "refs/kube/kube0/broken"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"kube/kube0/none", "kube/kube0/broken", "kube/../kube0/abc", "abc"} {
		if got := Load(dir, ref); got != nil {
			t.Errorf("%q: %s", ref, got)
		}
	}
}
