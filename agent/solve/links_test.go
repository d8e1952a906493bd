package solve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLinks(t *testing.T) {
	tests := []struct {
		name  string
		links map[string]string // path -> target; DIR is the temporary directory
		files []string
		file  string // -f
		named bool   // the directory common is a context, too
		want  string // empty for none
	}{
		{name: "no link", files: []string{"app/Dockerfile", "app/.dockerignore"}},
		{name: "links that stay", links: map[string]string{"app/Dockerfile": "sub/D", "app/.dockerignore": "sub/ignore"}, files: []string{"app/sub/D", "app/sub/ignore"}},
		{name: "a mounted ConfigMap", links: map[string]string{"app/..data": "..1", "app/Dockerfile": "..data/Dockerfile"}, files: []string{"app/..1/Dockerfile"}},
		{
			name: "Dockerfile leaves", links: map[string]string{"app/Dockerfile": "../common/D"}, files: []string{"common/D"},
			want: `build context "app": Dockerfile is a symbolic link to ../common/D, and BuildKit follows only relative links that stay in the directory`,
		},
		{
			name: "-f leaves", links: map[string]string{"app/D": "../common/D"}, files: []string{"common/D"}, file: "app/D",
			want: `--file "app/D": is a symbolic link to ../common/D`,
		},
		{
			name: "Dockerfile leaves and comes back", links: map[string]string{"app/Dockerfile": "../app/D"}, files: []string{"app/D"},
			want: `build context "app": Dockerfile is a symbolic link to ../app/D`,
		},
		{
			name: "absolute", links: map[string]string{"app/Dockerfile": "DIR/app/D"}, files: []string{"app/D"},
			want: `build context "app": Dockerfile is a symbolic link to DIR/app/D`,
		},
		{
			name: ".dockerignore leaves", links: map[string]string{"app/.dockerignore": "../ignore"}, files: []string{"app/Dockerfile", "ignore"},
			want: `directory "DIR/app": .dockerignore is a symbolic link to ../ignore, and BuildKit follows only relative links that stay in the directory, so nothing would be excluded`,
		},
		{
			name: ".dockerignore leads nowhere", links: map[string]string{"app/.dockerignore": "nope"}, files: []string{"app/Dockerfile"},
			want: `.dockerignore is a symbolic link to nope, which does not exist, so nothing would be excluded`,
		},
		{
			name: ".dockerignore links to itself", links: map[string]string{"app/.dockerignore": ".dockerignore"}, files: []string{"app/Dockerfile"},
			want: `.dockerignore is a symbolic link to .dockerignore: `,
		},
		{name: ".dockerignore that does not count", links: map[string]string{"app/.dockerignore": "../ignore"}, files: []string{"app/Dockerfile", "app/Dockerfile.dockerignore"}},
		{
			name: "Dockerfile.dockerignore leaves", links: map[string]string{"app/Dockerfile.dockerignore": "../ignore"}, files: []string{"app/Dockerfile", "ignore"},
			want: `Dockerfile.dockerignore is a symbolic link to ../ignore`,
		},
		{
			name: "of a named context", links: map[string]string{"common/.dockerignore": "../ignore"}, files: []string{"app/Dockerfile", "ignore", "common/x"}, named: true,
			want: `directory "DIR/common": .dockerignore is a symbolic link`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
			for _, file := range tt.files {
				write(t, dir, map[string]string{file: "FROM scratch"})
			}
			for path, target := range tt.links {
				path = filepath.Join(dir, path)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(strings.ReplaceAll(target, "DIR", dir), path)); err != nil {
					t.Fatal(err)
				}
			}
			r := Request{Context: "app", Dockerfile: tt.file}
			if tt.named {
				r.Contexts = []BuildContext{{"common", "common"}}
			}
			p, err := Prepare(t.Context(), r)
			if err == nil {
				err = p.Close()
			}
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var all UsageErrors
			if want := strings.ReplaceAll(tt.want, "DIR", dir); !errors.As(err, &all) || len(all) != 1 || !strings.Contains(all[0].Error(), want) {
				t.Errorf("%v, want one mistake: %s", err, want)
			}
		})
	}
}
