package output

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/agent/solve/job"
)

// volumes are ways in which a volume comes to be below a destination.
var volumes = map[string]func(t *testing.T, dir string){
	"another file system": func(t *testing.T, dir string) { mountTmpfs(t, dir, "size=4m") },
	"the same file system": func(t *testing.T, dir string) {
		must(t, os.MkdirAll(dir, 0o755))
		mountBind(t, t.TempDir(), dir)
	},
}

func TestOutputAcrossMounts(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	for name, mount := range volumes {
		t.Run(name, func(t *testing.T) {
			dest := filepath.Join(t.TempDir(), "out")
			write(t, dest, attrs("old", "stays", "reports/", ""))
			mount(t, filepath.Join(dest, "reports"))
			write(t, dest, attrs("reports/old", "stays", "reports/a", "old", "reports/deep/", ""))
			mount(t, filepath.Join(dest, "reports", "deep"))
			p, err := outputPlan(t, dest)
			must(t, err)
			outputs, err := p.Begin(job.Job{})
			must(t, err)
			stage := outputs.receivers.entries()[0].OutputDir
			write(t, stage, attrs("new", "1", "reports/a", "2", "reports/sub/b", "3", "reports/deep/c", "4", "reports/l", "->a", "reports/empty/", ""))
			when := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
			must(t, os.Link(filepath.Join(stage, "reports/a"), filepath.Join(stage, "reports/hard")),
				os.Chmod(filepath.Join(stage, "reports/sub/b"), fs.ModeSetuid|0o755),
				unix.Mkfifo(filepath.Join(stage, "reports/pipe"), 0o640))
			for _, path := range []string{"reports/sub/b", "reports/sub", "reports/l", "reports"} {
				must(t, setTime(filepath.Join(stage, path), when.UnixNano()))
			}
			must(t, outputs.End(nil, true), publish(t, p), p.Close())
			must(t, os.Remove(filepath.Join(dest, "reports/pipe"))) // wantTree would read it
			wantTree(t, dest, attrs("old", "stays", "new", "1", "reports/old", "stays", "reports/a", "2", "reports/hard", "2",
				"reports/sub/b", "3", "reports/deep/c", "4", "reports/l", "->a", "reports/empty/", ""))
			for path, mode := range map[string]fs.FileMode{"reports/sub/b": fs.ModeSetuid | 0o755, "reports/sub": fs.ModeDir | 0o755, "reports": fs.ModeDir | 0o755, "reports/l": fs.ModeSymlink | 0o777} {
				info, err := os.Lstat(filepath.Join(dest, path))
				must(t, err)
				if info.Mode() != mode || path != "reports" && !info.ModTime().Equal(when) {
					t.Errorf("%s has mode %s and time %s", path, info.Mode(), info.ModTime())
				}
			}
			one, err := os.Stat(filepath.Join(dest, "reports/a"))
			must(t, err)
			other, err := os.Stat(filepath.Join(dest, "reports/hard"))
			must(t, err)
			if !os.SameFile(one, other) {
				t.Error("a hard link has become a file")
			}
		})
	}
}

// What cannot be put in place is found before anything is moved.
func TestOutputThatDoesNotFitOnAMount(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	big := strings.Repeat("x", 3<<20)
	tests := []struct {
		name    string
		prepare func(t *testing.T, dest string)
		build   map[string]string
		want    string
	}{
		{"no room", func(t *testing.T, dest string) { mountTmpfs(t, filepath.Join(dest, "reports"), "size=1m") }, attrs("a", "new", "reports/big", big), "no space left on device"},
		{"a read-only volume", func(t *testing.T, dest string) {
			mountTmpfs(t, filepath.Join(dest, "reports"), "size=1m")
			must(t, unix.Mount("", filepath.Join(dest, "reports"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		}, attrs("a", "new", "reports/x", "y"), "reports is not writable: read-only file system"},
		{"a read-only file", func(t *testing.T, dest string) {
			write(t, dest, attrs("file", "old"))
			mountBind(t, filepath.Join(dest, "file"), filepath.Join(dest, "file"))
			must(t, unix.Mount("", filepath.Join(dest, "file"), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		}, attrs("a", "new", "file", "new"), "file is not writable: read-only file system"},
		{"a volume becomes a file", func(t *testing.T, dest string) { mountTmpfs(t, filepath.Join(dest, "reports"), "size=1m") }, attrs("a", "new", "reports", "a file"), "reports is a mount point"},
		{"a directory with a volume becomes a file", func(t *testing.T, dest string) { mountTmpfs(t, filepath.Join(dest, "d", "reports"), "size=1m") }, attrs("a", "new", "d", "a file"), "d/reports is a mount point"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dest := filepath.Join(t.TempDir(), "out")
			write(t, dest, attrs("a", "old"))
			tt.prepare(t, dest)
			before := tree(t, dest)
			p, err := outputPlan(t, dest)
			must(t, err)
			produce(t, p, true, tt.build)
			wantUsage(t, p.Seal(t.Context()), "--output", tt.want)
			must(t, p.Close())
			if diff := cmp.Diff(before, tree(t, dest)); diff != "" {
				t.Errorf("it left (-before +after):\n%s", diff)
			}
		})
	}
}

// A mounted file keeps its inode: its content is written, after all else.
func TestOutputIntoMountedFiles(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	dir := t.TempDir()
	dest := filepath.Join(dir, "out")
	write(t, dir, attrs("volume/report", "of the volume, and longer", "volume/image", "old", "out/report", "hidden", "image.tar", "hidden"))
	mountBind(t, filepath.Join(dir, "volume/report"), filepath.Join(dest, "report"))
	mountBind(t, filepath.Join(dir, "volume/image"), filepath.Join(dir, "image.tar"))

	p, err := outputPlan(t, dest)
	must(t, err)
	produce(t, p, true, attrs("a", "1", "report", "2"))
	must(t, publish(t, p), p.Close())
	wantTree(t, dest, attrs("a", "1", "report", "2"))

	p = mustPlan(t, []string{"type=tar,dest=" + filepath.Join(dir, "image.tar")}, nil)
	outputs := begun(t, p, alone[0])
	data := tarball(t)
	mustSend(t, outputs.receivers[0].entry, nil, data)
	mustEnd(t, outputs, nil, true)
	if turn := p.sinks[0].traits().turn; turn != turnInPlace {
		t.Errorf("the turn is %v", turn)
	}
	must(t, publish(t, p), p.Close())
	if mustRead(t, filepath.Join(dir, "volume/report")) != "2" || mustRead(t, filepath.Join(dir, "volume/image")) != string(data) {
		t.Error("the volume does not hold what was built")
	}
}

// mode=delete empties a volume that the build knows nothing of.
func TestDeleteAcrossMounts(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	dest := filepath.Join(t.TempDir(), "out")
	mountTmpfs(t, filepath.Join(dest, "d", "cache"), "size=1m")
	mountTmpfs(t, filepath.Join(dest, "kept"), "size=1m")
	write(t, dest, attrs("d/cache/x/y", "1", "d/z", "2", "kept/old", "3"))
	p, err := outputPlan(t, "type=local,mode=delete,dest="+dest, EntitlementLocalDelete)
	must(t, err)
	produce(t, p, true, attrs("a", "1", "kept/new", "2"))
	must(t, publish(t, p), p.Close())
	wantTree(t, dest, attrs("a", "1", "d/cache/", "", "kept/new", "2"))
}

func TestLayoutAcrossMounts(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	for name, mount := range volumes {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, attrs("new/blobs/sha256/a", "1", "new/blobs/sha256/b", "2", "there/blobs/sha256/", ""))
			mount(t, filepath.Join(dir, "there/blobs/sha256"))
			write(t, dir, attrs("there/blobs/sha256/a", "1"))
			must(t, addBlobs(t.Context(), filepath.Join(dir, "new"), filepath.Join(dir, "there")))
			wantTree(t, filepath.Join(dir, "there"), attrs("blobs/sha256/a", "1", "blobs/sha256/b", "2"))
		})
	}
}

// Holes stay holes, and a copy ends with its context.
func TestCopyFile(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	f, err := os.Create(from)
	must(t, err)
	_, err = f.WriteAt([]byte("middle"), 1<<30)
	must(t, err, f.Truncate(3<<30), f.Close())
	info, err := os.Stat(from)
	must(t, err)
	must(t, copyFile(t.Context(), from, to, info))
	copied, err := os.Stat(to)
	must(t, err)
	stat, ok := copied.Sys().(*syscall.Stat_t)
	if !ok || copied.Size() != 3<<30 || stat.Blocks > 1<<12 {
		t.Errorf("the copy has %d bytes in %d blocks", copied.Size(), stat.Blocks)
	}
	in, err := os.Open(to)
	must(t, err)
	defer closeQuietly(in)
	var middle [6]byte
	if _, err := in.ReadAt(middle[:], 1<<30); err != nil || string(middle[:]) != "middle" {
		t.Errorf("the copy holds %q, %v", middle, err)
	}
	ended, cancel := cancelledContext(t)
	defer cancel()
	if err := copyFile(ended, from, filepath.Join(dir, "other"), info); !errors.Is(err, errStreamEnded) {
		t.Errorf("a cancelled copy ends with %v", err)
	}
}
