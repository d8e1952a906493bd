package compile

import (
	"maps"
	"os"
	"regexp"
	"testing"
	"testing/fstest"
)

func TestKey(t *testing.T) {
	source := fstest.MapFS{
		"go.mod":       {Data: []byte("module x")},
		"kube/main.go": {Data: []byte("package main")},
	}
	base, err := key(source, "go1", targets)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, text string) fstest.MapFS {
		changed := maps.Clone(source)
		changed[name] = &fstest.MapFile{Data: []byte(text)}
		return changed
	}
	for _, tt := range []struct {
		name     string
		source   fstest.MapFS
		compiler string
		targets  []target
		same     bool
	}{
		{"the same again", source, "go1", targets, true},
		{"a note", with("README.md", "hello"), "go1", targets, true},
		{"a test", with("kube/main_test.go", "package main"), "go1", targets, true},
		{"another compiler", source, "go2", targets, false},
		{"another version", with("go.mod", "module x // v2"), "go1", targets, false},
		{"another version in a module below", with("registry/go.mod", "module y"), "go1", targets, false},
		{"another version of Tekton, which is compiled by itself", with("tekton/go.mod", "module z"), "go1", targets, true},
		{"another version of Argo, too", with("argo/go.mod", "module z"), "go1", targets, true},
		{"another source", with("kube/main.go", "package main //"), "go1", targets, false},
		{"a new source", with("pause/main.go", "package main"), "go1", targets, false},
		{"another target", source, "go1", targets[:1], false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := key(tt.source, tt.compiler, tt.targets)
			if err != nil {
				t.Fatal(err)
			}
			if (got == base) != tt.same {
				t.Errorf("key = %s, before %s; want the same: %v", got, base, tt.same)
			}
		})
	}
}

func TestVersionsAreThoseOfTheModule(t *testing.T) {
	var text []byte
	for _, module := range []string{"go.mod", "registry/go.mod", "tekton/go.mod", "argo/go.mod"} {
		more, err := os.ReadFile("../../components/" + module)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, more...)
	}
	for module, version := range map[string]string{
		"k8s.io/kubernetes":                   Kubernetes,
		"github.com/containerd/containerd/v2": Containerd,
		"github.com/moby/buildkit":            BuildKit,
		"github.com/opencontainers/runc":      Runc,

		"github.com/distribution/distribution/v3": Distribution,
		"github.com/tektoncd/pipeline":            Tekton,
		"github.com/argoproj/argo-workflows/v4":   Argo,
	} {
		if !regexp.MustCompile(`(?m)^(\t|require )` + regexp.QuoteMeta(module+" "+version) + `$`).Match(text) {
			t.Errorf("go.mod of the components does not require %s %s", module, version)
		}
	}
}
