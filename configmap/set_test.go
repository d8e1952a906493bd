package configmap

import (
	"errors"
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	one := map[string]string{"data": minimal("Kube")}
	several := map[string]string{"kube": minimal("kube"), "other": minimal("other"), "broken": "{", "bad": `{"Name":"worse","Driver":"docker","Nodes":[]}`}
	doubled := map[string]string{"a": minimal("kube"), "b": minimal("KUBE"), "other": minimal("other")}
	for _, test := range []struct {
		name     string
		files    map[string]string
		selected string
		want     string // the definition's name
		err      []string
		hints    []string
	}{
		{name: "the only one", files: one, want: "Kube"},
		{name: "by name in another case", files: one, selected: "kUBE", want: "Kube"},
		{name: "one of several", files: several, selected: "other", want: "other"},
		{name: "none named", files: several, err: []string{"defines several builders:", "broken (broken: ", "kube", "other", "worse (broken: "}, hints: []string{"--builder NAME"}},
		{name: "unknown", files: several, selected: "kubee", err: []string{`builder "kubee" is not defined in`}, hints: []string{`did you mean "kube"?`, "other"}},
		{name: "broken, by its name", files: several, selected: "worse", err: []string{"bad: Driver: docker needs a Docker engine", "Nodes: the builder has no node"}},
		{name: "broken, by its file's name", files: several, selected: "broken", err: []string{"is not valid JSON"}},
		{name: "defined twice", files: doubled, selected: "kube", err: []string{"defined more than once", "/a", "/b"}, hints: []string{"keep one"}},
		{name: "beside one that is defined twice", files: doubled, selected: "other", want: "other"},
		{name: "only one name, twice", files: map[string]string{"a": minimal("kube"), "b": minimal("kube")}, err: []string{"defined more than once"}},
		{name: "beside a broken file of the same name", files: map[string]string{"kube": minimal("kube"), "kube.json": "{"}, selected: "kube", want: "kube"},
		{name: "broken file of the same name counts", files: map[string]string{"kube": minimal("kube"), "kube.json": "{"}, err: []string{"defines several builders", "kube.json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := Load(nil, write(t, test.files))
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Select(test.selected)
			if d.Name != test.want || (err == nil) != (test.want != "") {
				t.Fatalf("got %q, %v", d.Name, err)
			}
			for _, want := range test.err {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if test.hints != nil {
				h, ok := err.(interface{ Hints() []string })
				if !ok {
					t.Fatalf("%T has no hints", err)
				}
				for _, want := range test.hints {
					if !strings.Contains(strings.Join(h.Hints(), "\n"), want) {
						t.Errorf("%q is not in the hints %q", want, h.Hints())
					}
				}
			}
		})
	}
}

func TestBrokenNamesWhatDefinitionsLeavesOut(t *testing.T) {
	set, err := Load(nil, write(t, map[string]string{"a": minimal("kube"), "b": minimal("KUBE"), "other": minimal("other"), "bad": "{"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Definitions(); len(got) != 1 || got[0].Name != "other" {
		t.Errorf("got %v", names(got))
	}
	problems := (Problems)(nil)
	if !errors.As(set.Broken(), &problems) || len(problems) != 2 {
		t.Errorf("got %v", set.Broken())
	}
	if set, err = Load(nil, "testdata/valid"); err != nil || set.Broken() != nil {
		t.Errorf("got %v, %v", err, set.Broken())
	}
}
