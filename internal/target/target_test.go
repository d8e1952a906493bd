package target

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tree makes files in a new directory, which has no links in its path. A value
// "->x" is a symbolic link, a name that ends in a slash a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		link, isLink := strings.CutPrefix(content, "->")
		switch {
		case isLink:
			err = os.Symlink(strings.ReplaceAll(link, "DIR", dir), path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWriteFile(t *testing.T) {
	tests := []struct {
		name, path string
		file       string // where the content is to be found
		links      []string
	}{
		{"a new file", "new", "new", nil},
		{"a file", "file", "file", nil},
		{"a link to a file", "link", "file", []string{"link"}},
		{"a chain of links", "chain", "file", []string{"chain", "link"}},
		{"a link to nothing", "dangling", "sub/later", []string{"dangling"}},
		{"through a directory that is a link", "dir/x", "sub/x", []string{"dir"}},
		{"in a directory that is missing", "a/b/c", "a/b/c", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"file": "old", "link": "->file", "chain": "->link", "sub/": "", "dangling": "->sub/later", "dir": "->DIR/sub"})
			f, err := Open(dir, filepath.Join(dir, tt.path))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Write(t.Context(), []byte("result"), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := content(t, filepath.Join(dir, tt.file)); got != "result" {
				t.Errorf("content %q", got)
			}
			for _, link := range tt.links {
				if info, err := os.Lstat(filepath.Join(dir, link)); err != nil || info.Mode()&os.ModeSymlink == 0 {
					t.Errorf("%s is no link any more: %v, %v", link, info, err)
				}
			}
			left, err := filepath.Glob(filepath.Join(dir, ".slipway-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestWriteKeepsMode(t *testing.T) {
	dir := tree(t, map[string]string{"file": "old"})
	path := filepath.Join(dir, "file")
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir, path)
	if err == nil {
		err = f.Write(t.Context(), []byte("new"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o604 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A descriptor is written where it stands, and what it is stays.
func TestWriteDescriptor(t *testing.T) {
	dir := tree(t, map[string]string{"log": "before\n", "link": "->/dev/null"})
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	name := "/proc/self/fd/" + strconv.Itoa(int(log.Fd()))
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(name, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{name, strings.Replace(name, "/proc/self/fd", "/dev/fd", 1), filepath.Join(dir, "link")} {
		f, err := Open("", path)
		if err != nil {
			t.Fatal(err)
		}
		if !f.Streams() {
			t.Errorf("%s does not stream", path)
		}
		if err := errors.Join(f.Clear(), f.Write(t.Context(), []byte("x"), 0o644)); err != nil {
			t.Error(err)
		}
	}
	if got := content(t, filepath.Join(dir, "log")); got != "before\nxxx" {
		t.Errorf("%q", got)
	}
	reading, err := os.Open(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reading.Close() }()
	for _, path := range []string{"/proc/self/fd/" + strconv.Itoa(int(reading.Fd())), "/dev/fd/999999"} {
		if _, err := Open("", path); err == nil {
			t.Errorf("%s was taken", path)
		}
	}
}

func TestWriteNamedPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open("", pipe)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		data, _ := os.ReadFile(pipe)
		got <- string(data)
	}()
	if err := errors.Join(f.Clear(), f.Write(t.Context(), []byte("result"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if data := <-got; data != "result" {
		t.Errorf("%q", data)
	}
	if info, err := os.Stat(pipe); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v, %v", info, err)
	}
	// Nobody reads: the write ends with the context.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Write(ctx, []byte("x"), 0o644); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|unix.O_NONBLOCK, 0) // releases what waits for one
	if err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
}

func TestOpenRefuses(t *testing.T) {
	dir := tree(t, map[string]string{"dir/": "", "file": "", "loop": "->loop", "dirlink": "->dir"})
	for path, want := range map[string]string{"dir": "is a directory", "dirlink": "is a directory", "file/below": "not a directory", "loop": "too many levels"} {
		if _, err := Open(dir, filepath.Join(dir, path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// What a checkout has brought does not choose where results go.
func TestLeaving(t *testing.T) {
	dir := tree(t, map[string]string{
		"checkout/real/file": "", "checkout/inside": "->real", "checkout/absolute": "->DIR/checkout/real",
		"checkout/outside": "->../home", "checkout/file": "->../home/file", "checkout/later": "->../home/later", "checkout/nested/outside": "->DIR/home",
		"checkout/back": "->../checkout/real",
		"home/file":     "",
		"home/link":     "->other",
		"home/other":    "",
		"alias":         "->checkout",
	})
	tests := []struct {
		path   string
		leaves bool
	}{
		{"checkout/new", false},
		{"checkout/real/new", false},
		{"checkout/inside/new", false},
		{"checkout/absolute/new", false},
		{"checkout/back/new", false},
		{"checkout/outside/new", true},
		{"checkout/outside/a/b", true},
		{"checkout/nested/outside/new", true},
		{"checkout/file", true},
		{"checkout/later", true},
		{"alias/outside/new", true},
		// Outside of the working directory it is the user's own decision.
		{"home/new", false},
		{"home/link", false},
		{"checkout/../home/new", false},
	}
	for _, workdir := range []string{"checkout", "alias"} {
		for _, tt := range tests {
			t.Run(workdir+" "+tt.path, func(t *testing.T) {
				if workdir == "checkout" && strings.HasPrefix(tt.path, "alias/") {
					t.Skip("a path that is not below the working directory")
				}
				path := dir + "/" + tt.path
				var leaves *LeavesError
				if _, err := Open(filepath.Join(dir, workdir), path); errors.As(err, &leaves) != tt.leaves || err != nil && !tt.leaves {
					t.Errorf("Open: %v", err)
				}
				if _, _, err := Resolve(filepath.Join(dir, workdir), path); errors.As(err, &leaves) != tt.leaves || err != nil && !tt.leaves {
					t.Errorf("Resolve: %v", err)
				}
			})
		}
	}
	if _, err := Open("", filepath.Join(dir, "checkout/file")); err != nil {
		t.Errorf("without a working directory: %v", err)
	}
}

// A result that a killed process has left half written is removed with the next
// one; those of processes that run stay, for all staging has the same lock.
func TestWriteRemovesLeftovers(t *testing.T) {
	dir := tree(t, map[string]string{StagingPrefix + "killed/lock": "", StagingPrefix + "killed/result": "half"})
	f, err := Open(dir, filepath.Join(dir, "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	running, err := Stage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = running.Remove() }()
	other, err := Open("", filepath.Join(filepath.Dir(running.Path()), "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []File{f, other} {
		if err := f.Write(t.Context(), []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || content(t, f.Path()) != "new" {
		t.Errorf("beside the result there are %v, %v", entries, err)
	}
	if _, err := os.Stat(running.Path()); err != nil {
		t.Errorf("the staging directory of a process that runs is gone: %v", err)
	}
}

func TestAbsolute(t *testing.T) {
	for _, tt := range []struct{ workdir, path, want string }{
		{"/job", "out", "/job/out"},
		{"/job", "../out/", "/out"},
		{"/job", "/srv/./out", "/srv/out"},
		{"", "/srv/out", "/srv/out"},
		{"", "out", ""}, // somebody has removed the working directory
	} {
		got, err := Absolute(tt.workdir, tt.path)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q in %q: %q, %v, want %q", tt.path, tt.workdir, got, err, tt.want)
		}
	}
}
