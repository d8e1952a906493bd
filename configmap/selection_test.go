package configmap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/source"
)

func TestSelection(t *testing.T) {
	instance := func(name string) string {
		return `{"Name":"` + name + `","Driver":"kubernetes","Nodes":[{"Name":"` + name + `0"}]}`
	}
	for _, tt := range []struct {
		name, dir, current string
		builders           []string
		want               string // empty for an error
	}{
		{"buildx's", "instances", `{"Key":"unix:///var/run/docker.sock","Name":"two","Global":false}`, []string{"one", "two"}, "two"},
		{"with a slash", "instances/", `{"Name":"two"}`, []string{"one", "two"}, "two"},
		{"case makes no difference", "instances", `{"Name":"TWO"}`, []string{"one", "two"}, "two"},
		{"of the only one", "instances", `{"Name":"gone"}`, []string{"one"}, "one"},
		{"of one that is gone", "instances", `{"Name":"gone"}`, []string{"one", "two"}, ""},
		{"of the engine", "instances", `{"Key":"unix:///var/run/docker.sock","Name":""}`, []string{"one", "two"}, ""},
		{"nonsense", "instances", `{`, []string{"one", "two"}, ""},
		{"none", "instances", "", []string{"one", "two"}, ""},
		{"another directory", "builders", `{"Name":"two"}`, []string{"one", "two"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state := t.TempDir()
			dir := state + "/" + tt.dir
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, name := range tt.builders {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(instance(name)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if tt.current != "" {
				if err := os.WriteFile(filepath.Join(state, "current"), []byte(tt.current), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			set, err := Load(source.New(t.Context(), strings.NewReader("")), dir)
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Select("")
			if d.Name != tt.want || (err == nil) != (tt.want != "") || set.Selected() != tt.want {
				t.Errorf("%q, %v; selected is %q, want %q", d.Name, err, set.Selected(), tt.want)
			}
			if d, err := set.Select("one"); err != nil || d.Name != "one" {
				t.Errorf("by name: %q, %v", d.Name, err)
			}
		})
	}
}

func TestSelectPath(t *testing.T) {
	state := t.TempDir()
	dir := filepath.Join(state, "instances")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := SelectPath("", dir, "kube", ""); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(state, "current"))
	if want := `{"Key":"unix:///var/run/docker.sock","Name":"kube","Global":true}`; err != nil || string(data) != want {
		t.Errorf("%s, %v, want %s", data, err, want)
	}
	if got := selected(source.New(t.Context(), strings.NewReader("")), dir); got != "kube" {
		t.Errorf("selected is %q", got)
	}
	err = SelectPath("", state, "kube", "")
	if known := (*Error)(nil); !errors.As(err, &known) || !strings.Contains(strings.Join(known.Hints(), " "), "SLIPWAY_BUILDER=kube") {
		t.Errorf("another directory: %v", err)
	}
}
