package solve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
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
			p, err := Prepare(t.Context(), here(t, r))
			if err == nil {
				err = p.Close()
			}
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var all fault.UsageList
			if want := strings.ReplaceAll(tt.want, "DIR", dir); !errors.As(err, &all) || len(all) != 1 || !strings.Contains(all[0].Error(), want) {
				t.Errorf("%v, want one mistake: %s", err, want)
			}
		})
	}
}

// TestFilesWithoutAnEnd has what would be waited for, or read for ever, in the
// place of files that a checkout brings.
func TestFilesWithoutAnEnd(t *testing.T) {
	pipe := func(path string) error { return unix.Mkfifo(path, 0o600) }
	for _, tt := range []struct {
		name, path string
		make       func(path string) error
		request    Request
		want       string
	}{
		{"Dockerfile, a pipe", "app/Dockerfile", pipe, Request{}, `build context "app": Dockerfile: is not a regular file`},
		{"Dockerfile, a link to a device", "app/Dockerfile", func(path string) error { return os.Symlink("/dev/zero", path) }, Request{}, "Dockerfile: is not a regular file"},
		{"Dockerfile, huge", "app/Dockerfile", func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, maxLocalDockerfile+1))
		}, Request{}, "Dockerfile: it is longer than 16777216 bytes"},
		{"ignore file", "app/.dockerignore", pipe, Request{}, ".dockerignore is not a regular file"},
		{"its own ignore file", "app/Dockerfile.dockerignore", pipe, Request{}, "Dockerfile.dockerignore is not a regular file"},
		{"index of a layout", "layout/index.json", pipe, Request{Contexts: []BuildContext{{"c", "oci-layout://layout"}}}, "index.json: is not a regular file"},
		{"index of a layout to be written", "layout/index.json", pipe, Request{Outputs: []output.Output{{Type: "oci", Dest: "layout", Attrs: attrs("tar", "false")}}}, "is not a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, ".", attrs("app/Dockerfile", "FROM scratch", "layout/oci-layout", "{}"))
			if err := os.Remove(tt.path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			must(t, tt.make(tt.path))
			tt.request.Context = "app"
			p, err := Prepare(t.Context(), here(t, tt.request))
			if err == nil {
				err = p.Close()
			}
			var all fault.UsageList
			if !errors.As(err, &all) || len(all) != 1 || !strings.Contains(all[0].Error(), tt.want) {
				t.Errorf("%v, want one mistake: %s", err, tt.want)
			}
		})
	}
}

// TestLinksOutOfALayout has links in an image layout by which its parts would
// be read and written elsewhere.
func TestLinksOutOfALayout(t *testing.T) {
	for _, name := range []string{"index.json", "index.json.lock", "oci-layout", "ingest", "blobs", "blobs/sha256"} {
		t.Run(name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			must(t, err)
			write(t, dir, attrs("work/app/Dockerfile", "FROM scratch", "home/secret", "x", "work/layout/x", ""))
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, "work/layout", name)), 0o755))
			must(t, os.Symlink(filepath.Join(dir, "home/secret"), filepath.Join(dir, "work/layout", name)))
			t.Chdir(filepath.Join(dir, "work"))
			_, err = Prepare(t.Context(), here(t, Request{Context: "app", WorkDir: filepath.Join(dir, "work"), Outputs: []output.Output{{Type: "oci", Dest: "layout", Attrs: attrs("tar", "false")}}}))
			if err == nil || !strings.Contains(err.Error(), "leads out of the working directory") {
				t.Errorf("%v", err)
			}
		})
	}
}
