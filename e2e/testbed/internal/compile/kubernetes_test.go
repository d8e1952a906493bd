package compile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckKubernetes(t *testing.T) {
	for _, tt := range []struct{ version, words string }{
		{Oldest, ""},
		{"v1.31.0", ""},
		{Kubernetes, ""},
		{"v1.29.14", "need podLogsDir"},
		{"v1.37.1", "cannot run Kubernetes v1.37.1"},
		{"v1.38.0", "cannot run Kubernetes v1.38.0"},
		{"1.31.0", "is not a release"},
		{"v1.31", "is not a release"},
		{"v1.31.0-rc.1", "is not a release"},
		{"v2.0.0", "is not a release"},
	} {
		err := CheckKubernetes(tt.version)
		if tt.words == "" && err != nil || tt.words != "" && (err == nil || !strings.Contains(err.Error(), tt.words) || !strings.Contains(err.Error(), "hint: ")) {
			t.Errorf("CheckKubernetes(%q) = %v, want %q", tt.version, err, tt.words)
		}
	}
	for _, version := range Supported() {
		if err := CheckKubernetes(version); err != nil {
			t.Error(err)
		}
	}
}

func TestModuleFor(t *testing.T) {
	got, err := moduleFor("v1.30.14", `{"Replace": [
		{"Old": {"Path": "k8s.io/kubectl"}, "New": {"Path": "./staging/src/k8s.io/kubectl"}},
		{"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
		{"Old": {"Path": "example.com/other"}, "New": {"Path": "example.com/fork", "Version": "v1.0.0"}}]}`)
	want := `module components

go 1.26

require k8s.io/kubernetes v1.30.14

replace (
	k8s.io/api => k8s.io/api v0.30.14
	k8s.io/kubectl => k8s.io/kubectl v0.30.14
)
`
	if err != nil || got != want {
		t.Errorf("moduleFor = %v\n%s\nwant:\n%s", err, got, want)
	}
	if _, err := moduleFor("v1.30.14", `{}`); err == nil {
		t.Error("a go.mod that replaces nothing is no error")
	}
}

func TestLinkOthers(t *testing.T) {
	programs, folder := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(programs, "ctr"), filepath.Join(programs, "kube"), filepath.Join(folder, "kube")} {
		if err := os.WriteFile(path, []byte(filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{programs, folder} {
		if err := nameKubernetes(folder); err != nil {
			t.Fatal(err)
		}
	}
	if err := linkOthers(programs, folder); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"ctr": programs, "kube": folder, "kubelet": folder} {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != from {
			t.Errorf("%s is %q, %v; want that of %s", name, got, err, from)
		}
	}
}
