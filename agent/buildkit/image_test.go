package buildkit

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestImageSources(t *testing.T) {
	sum := strings.Repeat("a", 64)
	provenance := `{"materials":[
		{"uri":"pkg:docker/alpine@3.20?platform=linux%2Famd64","digest":{"sha256":"` + sum + `"}},
		{"uri":"pkg:docker/reg.example:5000/team/base@1","digest":{"sha256":"` + sum + `"}},
		{"uri":"pkg:docker/a@1","digest":{"sha256":"short"}},
		{"uri":"https://github.com/a/b.git#main","digest":{"sha1":"1"}}]}`
	got := strings.Join(imageSources(json.RawMessage(provenance)), " ")
	if want := "docker.io/library/alpine@sha256:" + sum + " reg.example:5000/team/base@sha256:" + sum; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := imageSources(json.RawMessage(`[`)); got != nil {
		t.Errorf("%v", got)
	}
}

func TestPackageImage(t *testing.T) {
	for uri, want := range map[string]string{
		"pkg:docker/alpine@latest":                     "docker.io/library/alpine",
		"pkg:docker/team/app@1?digest=sha256:1#x":      "docker.io/team/app",
		"pkg:docker/reg.example%3A5000/team/app@1.2.3": "reg.example:5000/team/app",
		"pkg:docker/alpine":                            "docker.io/library/alpine",
		"pkg:docker/":                                  "",
		"pkg:docker/UPPER@1":                           "",
		"pkg:docker/%zz":                               "",
		"pkg:npm/a@1":                                  "",
		"":                                             "",
	} {
		if got, ok := packageImage(uri); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", uri, got, ok, want)
		}
	}
}

func FuzzPackageImage(f *testing.F) {
	f.Add("pkg:docker/team/app@1?platform=linux%2Famd64")
	f.Fuzz(func(t *testing.T, uri string) {
		if name, ok := packageImage(uri); ok && (name == "" || strings.ContainsAny(name, "@ \n")) {
			t.Errorf("%q is %q", uri, name)
		}
	})
}
