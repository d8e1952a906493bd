package install

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

const program = "#!/bin/sh\necho slipway 1\n"

// setUp makes a program and a directory with files; a value "->x" is a symbolic
// link and "dir" a directory.
func setUp(t *testing.T, files map[string]string) Request {
	t.Helper()
	dir := t.TempDir()
	r := Request{Program: filepath.Join(dir, "program"), Dir: filepath.Join(dir, "to")}
	must(t, os.WriteFile(r.Program, []byte(program), 0o700))
	for name, content := range files {
		path := filepath.Join(r.Dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		switch link, isLink := strings.CutPrefix(content, "->"); {
		case isLink:
			must(t, os.Symlink(link, path))
		case content == "dir":
			must(t, os.Mkdir(path, 0o755))
		default:
			must(t, os.WriteFile(path, []byte(content), 0o755))
		}
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listing is what is in a directory: content and mode of files, links.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Lstat(path)
		must(t, err)
		switch {
		case info.IsDir():
			all[entry.Name()] = "dir"
		case info.Mode()&os.ModeSymlink != 0:
			to, err := os.Readlink(path)
			must(t, err)
			all[entry.Name()] = "->" + to
		default:
			content, err := os.ReadFile(path)
			must(t, err)
			all[entry.Name()] = info.Mode().String() + " " + string(content)
		}
	}
	return all
}

func TestRun(t *testing.T) {
	installed := "-rwxr-xr-x " + program
	for _, tt := range []struct {
		name    string
		before  map[string]string
		aliases []string
		force   bool
		want    map[string]string
		changed []string
		refused string
	}{
		{name: "a new directory", want: map[string]string{"slipway": installed}, changed: []string{"slipway"}},
		{name: "an older program", before: map[string]string{"slipway": "old"}, want: map[string]string{"slipway": installed}, changed: []string{"slipway"}},
		{name: "another content of the same size", before: map[string]string{"slipway": strings.ToUpper(program)}, want: map[string]string{"slipway": installed}, changed: []string{"slipway"}},
		{name: "the same program", before: map[string]string{"slipway": program}, want: map[string]string{"slipway": installed}},
		{name: "a link is replaced, not what it leads to", before: map[string]string{"slipway": "->old", "old": "old"}, want: map[string]string{"slipway": installed, "old": "-rwxr-xr-x old"}, changed: []string{"slipway"}},
		{name: "further names", aliases: []string{"docker", "docker-buildx"}, want: map[string]string{"slipway": installed, "docker": "->slipway", "docker-buildx": "->slipway"}, changed: []string{"slipway", "docker", "docker-buildx"}},
		{name: "further names again", before: map[string]string{"slipway": program, "docker": "->slipway", "buildx": program}, aliases: []string{"docker", "buildx"}, want: map[string]string{"slipway": installed, "docker": "->slipway", "buildx": installed}},
		{name: "further names of another program", before: map[string]string{"docker": "docker"}, aliases: []string{"docker"}, want: map[string]string{"docker": "-rwxr-xr-x docker"}, refused: "--force"},
		{name: "of a link to another program", before: map[string]string{"docker": "->/usr/bin/docker"}, aliases: []string{"docker"}, want: map[string]string{"docker": "->/usr/bin/docker"}, refused: "--force"},
		{name: "by force", before: map[string]string{"docker": "docker"}, aliases: []string{"docker"}, force: true, want: map[string]string{"slipway": installed, "docker": "->slipway"}, changed: []string{"slipway", "docker"}},
		{name: "a directory in its place", before: map[string]string{"slipway": "dir"}, want: map[string]string{"slipway": "dir"}, refused: "is a directory"},
		{name: "a directory in the place of a further name", before: map[string]string{"docker": "dir"}, aliases: []string{"docker"}, force: true, want: map[string]string{"docker": "dir"}, refused: "is a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := setUp(t, tt.before)
			r.Aliases, r.Force = tt.aliases, tt.force
			files, err := Run(t.Context(), r)
			if tt.refused == "" {
				must(t, err)
			} else if err == nil || !strings.Contains(err.Error()+strings.Join(fault.Hints(err), " "), tt.refused) {
				t.Fatalf("error %v with hints %q, want one with %q", err, fault.Hints(err), tt.refused)
			}
			var changed []string
			for _, file := range files {
				if file.Changed {
					changed = append(changed, filepath.Base(file.Path))
				}
			}
			if diff := cmp.Diff(tt.changed, changed); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, listing(t, r.Dir)); diff != "" {
				t.Errorf("the directory (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDirIsAFile(t *testing.T) {
	for _, below := range []string{"", "/below"} {
		r := setUp(t, nil)
		r.Dir = r.Program + below
		if _, err := Run(t.Context(), r); err == nil || !strings.Contains(err.Error(), "is a file") {
			t.Errorf("%s: %v", r.Dir, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := setUp(t, map[string]string{"slipway": "old"})
	if _, err := Run(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if diff := cmp.Diff(map[string]string{"slipway": "-rwxr-xr-x old"}, listing(t, r.Dir)); diff != "" {
		t.Errorf("the directory (-want +got):\n%s", diff)
	}
}

func TestVerify(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"the same", "#!/bin/sh\necho slipway $1\n", ""},
		{"another version", "#!/bin/sh\necho slipway 2\n", `is "slipway 2"`},
		{"a failure", "#!/bin/sh\necho no >&2; exit 3\n", "exit status 3: no"},
		{"not a program", "\x7fELF nothing", "cannot be run: exec format error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), Name)
			must(t, os.WriteFile(path, []byte(tt.script), 0o755))
			err := Verify(t.Context(), path, "slipway version")
			if tt.want == "" {
				must(t, err)
			} else if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
