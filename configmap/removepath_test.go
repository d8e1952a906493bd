package configmap

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRemovePath(t *testing.T) {
	const kube = `{"Name":"kube","Driver":"remote","Nodes":[{"Name":"a","Endpoint":"tcp://127.0.0.1:1"}]}`
	const other = "Name: other\nDriver: remote\nNodes:\n- {Name: b, Endpoint: 'tcp://127.0.0.1:1'}\n"
	for _, tt := range []struct {
		name    string
		files   map[string]string
		path    string // below the directory
		builder string
		removed bool
		fails   bool
		left    []string
	}{
		{"a file of a directory", map[string]string{"kube": kube, "other.yaml": other}, "", "Kube", true, false, []string{"other.yaml"}},
		{"yaml", map[string]string{"kube": kube, "other.yaml": other}, "", "other", true, false, []string{"kube"}},
		{"the file itself", map[string]string{"kube": kube, "other.yaml": other}, "kube", "kube", true, false, []string{"other.yaml"}},
		{"not there", map[string]string{"kube": kube}, "", "nobody", false, false, []string{"kube"}},
		{"one of several", map[string]string{"all": other + "---\n" + kube}, "", "kube", false, true, []string{"all"}},
		{"mounted", map[string]string{"..data": "", "kube": kube}, "", "kube", false, false, []string{"..data", "kube"}},
		{"mounted file", map[string]string{"..data": "", "kube": kube}, "kube", "kube", false, false, []string{"..data", "kube"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			file, planErr := RemovableFile(nil, filepath.Join(dir, tt.path), tt.builder)
			if (file != "") != tt.removed || (planErr != nil) != tt.fails || tt.removed && slices.Contains(tt.left, filepath.Base(file)) {
				t.Errorf("to be removed %q, %v", file, planErr)
			}
			removed, err := RemovePath(nil, filepath.Join(dir, tt.path), tt.builder)
			if removed != tt.removed || (err != nil) != tt.fails {
				t.Errorf("removed %v, %v", removed, err)
			}
			var left []string
			listing, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range listing {
				left = append(left, item.Name())
			}
			if !slices.Equal(left, tt.left) {
				t.Errorf("left %q, want %q", left, tt.left)
			}
		})
	}
}
