package contextfs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadAhead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		file  string
		whole []string // files with a time without a fraction
		mtime MtimeMode
		want  []string // contents that were read, by size
	}{
		{
			name:  "all but what is ignored",
			files: map[string]string{"Dockerfile": "1", ".dockerignore": "ignored\n", "a": "22", "dir/b": "333", "ignored/c": "4444"},
			want:  []string{".dockerignore", "Dockerfile", "a", "dir/b"},
		},
		{
			name:  "the Dockerfile's own ignore file",
			files: map[string]string{"Dockerfile": "1", "other": "1", ".dockerignore": "a\n", "other.dockerignore": "dir\n", "a": "22", "dir/b": "333"},
			file:  "other",
			want:  []string{".dockerignore", "Dockerfile", "a", "other", "other.dockerignore"},
		},
		{
			name:  "an ignore file that cannot be read",
			files: map[string]string{"Dockerfile": "1", ".dockerignore/x": "", "a": "22"},
			want:  []string{".dockerignore/x", "Dockerfile", "a"},
		},
		{
			name:  "of times that are kept, whole seconds",
			files: map[string]string{"Dockerfile": "1", "a": "22", "b": "333"},
			whole: []string{"b"},
			mtime: MtimeKeep,
			want:  []string{"b"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				stamp := time.Unix(1700000000, 1)
				if slices.Contains(tt.whole, name) {
					stamp = time.Unix(1700000000, 0)
				}
				must(t, os.Chtimes(path, stamp, stamp))
			}
			if tt.file == "" {
				tt.file = "Dockerfile"
			}
			m, err := OpenDir(dir)
			must(t, err)
			m.Sums, m.Keep = newSums(nil), tt.mtime == MtimeKeep
			m.ReadAhead(t.Context(), tt.file)
			var got []string
			names := map[fileID]string{}
			for name := range tt.files {
				info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
				if err != nil {
					t.Fatal(err)
				}
				id, _ := idOf(info)
				names[id] = name
			}
			for id := range maps.Keys(m.Sums.known) {
				got = append(got, names[id])
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files that were read (-want +got):\n%s", diff)
			}
		})
	}
}
