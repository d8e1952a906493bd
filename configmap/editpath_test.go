package configmap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWritePlace(t *testing.T) {
	home := t.TempDir()
	system := filepath.Join(home, "system")
	p := Places{BuildxConfig: "", DockerConfig: "", Home: home}
	check := func(p Places, want string) {
		t.Helper()
		got, err := writePlace(p, system)
		if err != nil || got != want {
			t.Errorf("%+v: %s, %v, want %s", p, got, err, want)
		}
	}
	check(p, filepath.Join(home, ".docker/buildx/instances"))
	p.DockerConfig = "docker"
	check(p, "docker/buildx/instances")
	p.BuildxConfig = "buildx"
	check(p, "buildx/instances")
	// What the other commands read goes first.
	if err := os.MkdirAll(filepath.Join(home, ".docker/buildx/instances"), 0o755); err != nil {
		t.Fatal(err)
	}
	check(p, filepath.Join(home, ".docker/buildx/instances"))
	if err := os.Mkdir(system, 0o755); err != nil {
		t.Fatal(err)
	}
	check(p, system)
	p.Explicit = "not/there/yet"
	check(p, "not/there/yet")
	if got, err := writePlace(Places{}, filepath.Join(home, "nothing")); err == nil {
		t.Errorf("without any place: %s", got)
	}
}

// TestManyAuthors has nodes added to one builder at the same time: none is
// lost.
func TestManyAuthors(t *testing.T) {
	const authors = 20
	for _, place := range []struct {
		path string
		file bool
	}{{"dir", false}, {"state/instances", false}, {"one.json", true}} {
		t.Run(place.path, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), place.path)
			edit := func(c Create) error {
				return EditPath(nil, "", path, place.file, func(s Source) (Created, error) { return c.Apply(s) })
			}
			if err := edit(Create{Name: "kube", Node: "first"}); err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			for i := range authors {
				group.Go(func() {
					if err := edit(Create{Name: "kube", Node: fmt.Sprintf("n%02d", i), Append: true}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			set, err := Load(nil, path)
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Select("kube")
			if err != nil || len(d.Nodes) != authors+1 {
				t.Errorf("%d nodes, %v", len(d.Nodes), err)
			}
			if info, err := os.Stat(d.File); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", d.File, info.Mode(), err)
			}
		})
	}
}

func TestEditPathKeepsWhatItDoesNotChange(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "kube")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(mine, `{"Name":"kube","Driver":"kubernetes","Nodes":[{"Name":"a"}]}`)
	write(filepath.Join(dir, "other"), "something else")
	failed := errors.New("no")
	if err := EditPath(nil, "", dir, false, func(Source) (Created, error) { return Created{Key: "kube"}, failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	before, err := os.ReadFile(mine)
	if err != nil || !strings.Contains(string(before), `"Nodes"`) {
		t.Errorf("a failed edit left %q, %v", before, err)
	}
	c := Create{Name: "kube", Append: true}
	if err := EditPath(nil, "", dir, false, func(s Source) (Created, error) { return c.Apply(s) }); err != nil {
		t.Fatal(err)
	}
	listing, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range listing {
		names = append(names, item.Name())
	}
	if diff := cmp.Diff([]string{"kube", "other"}, names); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(mine); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the mode of a file that was there: %v %v", info.Mode(), err)
	}
}
