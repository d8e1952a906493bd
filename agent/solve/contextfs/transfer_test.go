package contextfs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/slipway-build/slipway/internal/target"
)

// serveFiles serves mounts over a real connection, as a session does.
func serveFiles(t testing.TB, server *Server) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "sock"))
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	server.Register(g)
	done := make(chan error, 1)
	go func() { done <- g.Serve(listener) }()
	conn, err := grpc.NewClient("unix:"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		g.Stop() // waits for the handlers
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn
}

// caller is the session as the daemon sees it.
type caller struct{ conn *grpc.ClientConn }

func (c caller) Context(ctx context.Context) context.Context { return ctx }
func (c caller) Supports(string) bool                        { return true }
func (c caller) Conn() *grpc.ClientConn                      { return c.conn }
func (c caller) Name() string                                { return "" }
func (c caller) SharedKey() string                           { return "" }

// changes records what the daemon's side of a transfer had to change.
type changes struct {
	mu   sync.Mutex
	list []string
}

func (c *changes) MarkSupported(bool) {}
func (c *changes) ContentHasher() fsutil.ContentHasher {
	return func(*fstypes.Stat) (hash.Hash, error) { return sha256.New(), nil }
}
func (c *changes) HandleChange(kind fsutil.ChangeKind, path string, info fs.FileInfo, err error) error {
	if err != nil || kind != fsutil.ChangeKindDelete && info.IsDir() {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sign := "+"
	if kind == fsutil.ChangeKindDelete {
		sign = "-"
	}
	c.list = append(c.list, sign+path)
	return nil
}

// receive fetches the mount "m" into a directory as buildkitd does and returns
// what changed there, sorted: "+path", "-path".
func receive(ctx context.Context, conn *grpc.ClientConn, dest string, excludes ...string) ([]string, error) {
	var made changes
	err := filesync.FSSync(ctx, caller{conn}, filesync.FSSendRequestOpt{
		Name: "m", ExcludePatterns: excludes, DestDir: dest, CacheUpdater: &made, Differ: fsutil.DiffMetadata,
	})
	// Whoever wrote the files has ended by now, but BuildKit does not say so in
	// a way that counts.
	made.mu.Lock()
	defer made.mu.Unlock()
	return slices.Sorted(slices.Values(made.list)), err
}

// transferTo transfers a directory with derived times over a connection of its own.
func transferTo(t *testing.T, dir, dest string) []string {
	t.Helper()
	m, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	m.Sums = newSums(nil)
	list, err := receive(t.Context(), serveFiles(t, &Server{mounts: map[string]Mount{"m": m}}), dest)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTransferSendsWhatChanged(t *testing.T) {
	at := func(dir, name string) string { return filepath.Join(dir, name) }
	put := func(name, content string) func(string) error {
		return func(dir string) error { return os.WriteFile(at(dir, name), []byte(content), 0o644) }
	}
	tests := []struct {
		name   string
		change func(dir string) error
		want   []string
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"a byte, the size stays", put("a", "alphb"), []string{"+a"}},
		{"the size", put("a", "alp"), []string{"+a"}},
		{"an empty file", put("empty", "no more"), []string{"+empty"}},
		{"to an empty file", put("a", ""), []string{"+a"}},
		{"swapped contents", func(dir string) error {
			return errors.Join(put("a", "gamma")(dir), put("sub/deep/c", "alpha")(dir))
		}, []string{"+a", "+sub/deep/c"}},
		{"mode", func(dir string) error { return os.Chmod(at(dir, "a"), 0o600) }, []string{"+a"}},
		{"link target", func(dir string) error {
			return errors.Join(os.Remove(at(dir, "link")), os.Symlink("sub/c", at(dir, "link")))
		}, []string{"+link"}},
		{"hard link becomes a file of its own", func(dir string) error {
			return errors.Join(os.Remove(at(dir, "sub/hard")), put("sub/hard", "beta")(dir))
		}, []string{"+sub/hard"}},
		{"content of a hard link", put("sub/b", "atad"), []string{"+sub/b", "+sub/hard"}},
		{"file becomes a hard link", func(dir string) error {
			return errors.Join(os.Remove(at(dir, "a")), os.Link(at(dir, "sub/deep/c"), at(dir, "a")))
		}, []string{"+a", "+sub/deep/c"}},
		{"rename", func(dir string) error { return os.Rename(at(dir, "a"), at(dir, "z")) }, []string{"+z", "-a"}},
		{"deletion", func(dir string) error { return os.RemoveAll(at(dir, "sub/deep")) }, []string{"-sub/deep"}},
		{"file becomes a directory", func(dir string) error {
			return errors.Join(os.Remove(at(dir, "a")), os.Mkdir(at(dir, "a"), 0o755), put("a/x", "x")(dir))
		}, []string{"+a/x"}},
		{"directory becomes a file", func(dir string) error {
			return errors.Join(os.RemoveAll(at(dir, "sub/deep")), put("sub/deep", "x")(dir))
		}, []string{"+sub/deep"}},
		{"file becomes a link", func(dir string) error {
			return errors.Join(os.Remove(at(dir, "a")), os.Symlink("empty", at(dir, "a")))
		}, []string{"+a"}},
		{"a byte in a sparse file", func(dir string) error {
			f, err := os.OpenFile(at(dir, "sparse"), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte{1}, 700_000)
			return errors.Join(err, f.Close())
		}, []string{"+sparse"}},
		{"an attribute", func(dir string) error { return unix.Setxattr(at(dir, "a"), "user.slipway", []byte("1"), 0) }, []string{"+a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, dest := mixedTree(t), t.TempDir()
			if n := len(transferTo(t, dir, dest)); n < 8 {
				t.Fatalf("the first transfer sent %d files", n)
			}
			must(t, tt.change(dir))
			age(t, dir)
			if diff := cmp.Diff(tt.want, transferTo(t, dir, dest)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(snapshot(t, dir), snapshot(t, dest)); diff != "" {
				t.Errorf("the copy is another tree (-context +copy):\n%s", diff)
			}
			if again := transferTo(t, dir, dest); again != nil {
				t.Errorf("sent once more: %q", again)
			}
		})
	}
}

// Every entry's time is a function of its content, in the span that is
// promised.
func TestTransferTimes(t *testing.T) {
	dir, dest := mixedTree(t), t.TempDir()
	transferTo(t, dir, dest)
	names := map[string]int64{}
	for _, name := range []string{"a", "empty", "sub/b", "sub/hard", "link", "sub/deep/c", "sparse", "pipe"} {
		info, err := os.Lstat(filepath.Join(dest, name))
		must(t, err)
		at := info.ModTime()
		if at.Before(time.Unix(0, firstTime)) || !at.Before(time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s has the time %s", name, at)
		}
		names[name] = at.UnixNano()
	}
	if names["sub/b"] != names["sub/hard"] {
		t.Error("hard links have different times")
	}
	if names["link"] != plainTime || names["pipe"] != plainTime {
		t.Errorf("link and pipe have times %d, %d", names["link"], names["pipe"])
	}
	data := sha256.Sum256([]byte("alpha"))
	if want := contentTime(data, nil); names["a"] != want {
		t.Errorf("the time of a is %d, want %d", names["a"], want)
	}
}

// Files are read once for any number of nodes, and excluded ones never.
func TestTransferReadsOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("kept", "12345", "skipped", "123456789"))
	m, err := OpenDir(dir)
	must(t, err)
	m.Sums = newSums(nil)
	conn := serveFiles(t, &Server{mounts: map[string]Mount{"m": m}})
	var nodes sync.WaitGroup
	for range 4 {
		dest := t.TempDir()
		nodes.Go(func() {
			if _, err := receive(t.Context(), conn, dest, "skipped"); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	if m.Sums.read != 5 {
		t.Errorf("%d bytes were hashed, want 5", m.Sums.read)
	}
}

// meddled is a directory whose files something changes when they are opened
// for sending, after they got their times.
type meddled struct {
	fsutil.FS
	meddle func(path string) error
}

func (m meddled) Open(path string) (io.ReadCloser, error) {
	if err := m.meddle(path); err != nil {
		return nil, err
	}
	return m.FS.Open(path)
}

func TestTransferOfWhatChangesMeanwhile(t *testing.T) {
	over := func(content string) func(string, string) error {
		return func(dir, path string) error { return os.WriteFile(filepath.Join(dir, path), []byte(content), 0o644) }
	}
	tests := []struct {
		name   string
		meddle func(dir, path string) error
		fails  string // empty when what was listed is sent
		usage  bool   // it is not ErrChanged
	}{
		{"nothing", func(string, string) error { return nil }, "", false},
		{"a byte", over("12346"), "changed while it was sent", false},
		{"shorter", over("123"), "changed while it was sent", false},
		{"empty", over(""), "changed while it was sent", false},
		{"longer, as a log grows", over("12345 and more"), "", false},
		{"longer and other", over("abcdefgh"), "changed while it was sent", false},
		{"gone", func(dir, path string) error { return os.Remove(filepath.Join(dir, path)) }, "changed while it was sent", false},
		{"not readable", func(string, string) error { return &fs.PathError{Op: "open", Path: "f", Err: fs.ErrPermission} }, "permission denied", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, dest := t.TempDir(), t.TempDir()
			write(t, dir, attrs("f", "12345", "sibling", "x"))
			m, err := OpenDir(dir)
			must(t, err)
			m.Sums = newSums(nil)
			m.FS = meddled{m.FS, func(path string) error {
				if path != "f" {
					return nil
				}
				return tt.meddle(dir, path)
			}}
			server := &Server{mounts: map[string]Mount{"m": m}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err = receive(ctx, serveFiles(t, server), dest)
			if tt.fails == "" {
				must(t, err)
				data, err := os.ReadFile(filepath.Join(dest, "f"))
				if string(data) != "12345" || err != nil {
					t.Errorf("received %q, %v", data, err)
				}
				return
			}
			if err == nil {
				t.Fatal("the daemon took it")
			}
			failed := server.Failed()
			if failed == nil || !strings.Contains(failed.Error(), tt.fails) || !strings.Contains(failed.Error(), filepath.Join(dir, "f")) {
				t.Fatalf("the reason is %v, want %q", failed, tt.fails)
			}
			if errors.Is(failed, ErrChanged) == tt.usage || len(failed.Hints()) == 0 {
				t.Errorf("%v has changed: %v, hints %q", failed, errors.Is(failed, ErrChanged), failed.Hints())
			}
		})
	}
}

// A file that vanishes between its listing and its reading ends the transfer.
func TestTransferOfWhatIsListedAndGone(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("f", "12345"))
	m, err := OpenDir(dir)
	must(t, err)
	m.Sums = newSums(nil)
	m.FS = meddledList{m.FS, func() error { return os.Remove(filepath.Join(dir, "f")) }}
	server := &Server{mounts: map[string]Mount{"m": m}}
	if _, err := receive(t.Context(), serveFiles(t, server), t.TempDir()); err == nil || !errors.Is(server.Failed(), ErrChanged) {
		t.Errorf("error %v, reason %v", err, server.Failed())
	}
}

// A file that was empty when it was listed and has grown since is sent as it
// is.
func TestTransferOfWhatWasListedEmpty(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	write(t, dir, attrs("f", ""))
	m, err := OpenDir(dir)
	must(t, err)
	m.Sums = newSums(nil)
	m.FS = meddledList{m.FS, func() error { return os.WriteFile(filepath.Join(dir, "f"), []byte("12345"), 0o644) }}
	_, err = receive(t.Context(), serveFiles(t, &Server{mounts: map[string]Mount{"m": m}}), dest)
	must(t, err)
	if got := mustRead(t, filepath.Join(dest, "f")); got != "12345" {
		t.Errorf("received %q", got)
	}
}

// Whose files they are on the agent is not sent.
func TestTransferOfOwners(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("f", "x"))
	if os.Geteuid() == 0 { // else they are not root's anyway
		must(t, os.Chown(filepath.Join(dir, "f"), 1234, 1234))
	}
	m, err := OpenDir(dir)
	must(t, err)
	listed := 0
	must(t, m.Walk(t.Context(), "", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		listed++
		if stat, ok := info.Sys().(*fstypes.Stat); !ok || stat.Uid != 0 || stat.Gid != 0 {
			t.Errorf("%s is listed as %+v", path, info.Sys())
		}
		return nil
	}))
	if listed != 1 {
		t.Errorf("%d files are listed", listed)
	}
}

// meddledList is a directory in which something changes once an entry has been
// listed.
type meddledList struct {
	fsutil.FS
	meddle func() error
}

func (v meddledList) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	return v.FS.Walk(ctx, target, func(path string, d fs.DirEntry, err error) error {
		if d != nil {
			if _, err := d.Info(); err != nil { // listed
				return err
			}
		}
		if err := v.meddle(); err != nil {
			return err
		}
		return fn(path, d, err)
	})
}

// Kept times reach the daemon as they are; what cannot be read fails all the
// same.
func TestTransferKeepsTimes(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	write(t, dir, attrs("f", "12345"))
	stamp := time.Date(2030, 2, 3, 4, 5, 6, 789, time.UTC)
	must(t, os.Chtimes(filepath.Join(dir, "f"), stamp, stamp))
	m, err := OpenDir(dir)
	must(t, err)
	server := &Server{mounts: map[string]Mount{"m": m}}
	conn := serveFiles(t, server)
	_, err = receive(t.Context(), conn, dest)
	must(t, err)
	info, err := os.Stat(filepath.Join(dest, "f"))
	must(t, err)
	if !info.ModTime().Equal(stamp) {
		t.Errorf("the time is %s, want %s", info.ModTime(), stamp)
	}
	m.FS = meddled{m.FS, func(string) error { return fs.ErrPermission }}
	server = &Server{mounts: map[string]Mount{"m": m}}
	if _, err := receive(t.Context(), serveFiles(t, server), t.TempDir()); err == nil || server.Failed() == nil {
		t.Errorf("error %v, reason %v", err, server.Failed())
	}
}

// BuildKit's own message says nothing of which file it is.
func TestTransferOfNamesThatAreNoText(t *testing.T) {
	for _, sums := range []*Sums{nil, newSums(nil)} {
		for _, change := range []func(dir string) error{
			func(dir string) error { return os.WriteFile(filepath.Join(dir, "a\xffb"), nil, 0o644) },
			func(dir string) error { return os.Symlink("a\xffb", filepath.Join(dir, "link")) },
		} {
			dir := t.TempDir()
			must(t, change(dir))
			m, err := OpenDir(dir)
			must(t, err)
			m.Sums = sums
			server := &Server{mounts: map[string]Mount{"m": m}}
			if _, err := receive(t.Context(), serveFiles(t, server), t.TempDir()); err == nil {
				t.Error("the transfer succeeded")
			}
			if failed := server.Failed(); failed == nil || !errors.Is(failed, errNotText) || errors.Is(failed, ErrChanged) {
				t.Errorf("the reason is %v", failed)
			}
		}
	}
}

// A socket is an empty file to BuildKit, and a hard link whose first name is
// not sent is a file with all its bytes.
func TestTransferOfOddFiles(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	write(t, dir, attrs(target.StagingPrefix+"1/first", "12345"))
	must(t, os.Link(filepath.Join(dir, target.StagingPrefix+"1/first"), filepath.Join(dir, "second")))
	listener, err := net.Listen("unix", filepath.Join(dir, "sock"))
	must(t, err)
	defer func() { must(t, listener.Close()) }()
	transferTo(t, dir, dest)
	data, err := os.ReadFile(filepath.Join(dest, "second"))
	if string(data) != "12345" || err != nil {
		t.Errorf("the hard link holds %q, %v", data, err)
	}
	if info, err := os.Stat(filepath.Join(dest, "sock")); err != nil || info.Size() != 0 || !info.Mode().IsRegular() {
		t.Errorf("the socket became %v, %v", info, err)
	}
	if again := transferTo(t, dir, dest); again != nil {
		t.Errorf("sent once more: %q", again)
	}
}

// More files than the window holds, a cancellation in their midst, and no
// goroutine that is left: serveFiles waits for the handlers.
func TestTransferOfManyFiles(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	const count = statWindow + statWindow/4
	manyFiles(t, dir, count, 8)
	m, err := OpenDir(dir)
	must(t, err)
	m.Sums = newSums(nil)
	conn := serveFiles(t, &Server{mounts: map[string]Mount{"m": m}})
	ctx, cancel := context.WithCancel(t.Context())
	var seen atomic.Int32 // files are sent by several goroutines
	m.FS = meddled{m.FS, func(string) error {
		if seen.Add(1) == 100 {
			cancel()
		}
		return nil
	}}
	half := serveFiles(t, &Server{mounts: map[string]Mount{"m": m}})
	if _, err := receive(ctx, half, t.TempDir()); err == nil {
		t.Error("a cancelled transfer succeeded")
	}
	list, err := receive(t.Context(), conn, dest)
	must(t, err)
	if len(list) != count {
		t.Errorf("%d files were sent", len(list))
	}
	if diff := cmp.Diff(snapshot(t, dir), snapshot(t, dest)); diff != "" {
		t.Errorf("the copy is another tree (-context +copy):\n%s", diff)
	}
}

// Whatever the times of a context are, the daemon ends up with what is on
// disk. Contents change and sizes and times stay, as touch -d @EPOCH, tar and
// unzip leave them.
func TestTransferIsNeverStale(t *testing.T) {
	stamps := map[string]time.Time{
		"1970":      time.Unix(0, 0),
		"1980":      time.Unix(315532800, 0), // of zip files and Gradle
		"an epoch":  time.Unix(1700000000, 0),
		"2050":      time.Unix(2524608000, 0),
		"before":    time.Unix(-3, 0),
		"1 (Bazel)": time.Unix(1, 0),
	}
	sizes := []int{1, 2, 100, 4096, 200_000}
	for _, keep := range []bool{true, false} {
		for _, mode := range []fs.FileMode{0o644, 0o755, 0o600} {
			for name, stamp := range stamps {
				t.Run(fmt.Sprintf("%v/%s/%s", keep, mode, name), func(t *testing.T) {
					dir, dest := t.TempDir(), t.TempDir()
					put := func(fill string) {
						for _, size := range sizes {
							path := filepath.Join(dir, fmt.Sprint(size))
							must(t, os.WriteFile(path, []byte(strings.Repeat(fill, size)), mode), os.Chmod(path, mode), os.Chtimes(path, stamp, stamp))
						}
					}
					transfer := func() []string {
						m, err := OpenDir(dir)
						must(t, err)
						m.Sums, m.Keep = newSums(nil), keep
						list, err := receive(t.Context(), serveFiles(t, &Server{mounts: map[string]Mount{"m": m}}), dest)
						must(t, err)
						if diff := cmp.Diff(snapshot(t, dir), snapshot(t, dest)); diff != "" {
							t.Errorf("the copy is another tree (-context +copy):\n%s", diff)
						}
						return list
					}
					put("a")
					transfer()
					put("b")
					if list := transfer(); len(list) != len(sizes) {
						t.Errorf("sent %q", list)
					}
					put("b") // written anew, as by another checkout
					if list := transfer(); list != nil {
						t.Errorf("sent once more: %q", list)
					}
					for _, size := range sizes {
						info, err := os.Stat(filepath.Join(dest, fmt.Sprint(size)))
						must(t, err)
						if keep && info.ModTime().Unix() != stamp.Unix() {
							t.Errorf("%d bytes have the time %s, want %s", size, info.ModTime(), stamp)
						}
					}
				})
			}
		}
	}
}

// Of files that keep their times only those are read whose times say nothing.
func TestTransferReadsWholeSeconds(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs("whole", "12345", "fraction", "1234567", "sub/whole", "123"))
	for name, ns := range map[string]int64{"whole": 0, "fraction": 1, "sub/whole": 0} {
		stamp := time.Unix(1700000000, ns)
		must(t, os.Chtimes(filepath.Join(dir, name), stamp, stamp))
	}
	m, err := OpenDir(dir)
	must(t, err)
	m.Sums, m.Keep = newSums(nil), true
	_, err = receive(t.Context(), serveFiles(t, &Server{mounts: map[string]Mount{"m": m}}), t.TempDir())
	must(t, err)
	if m.Sums.read != 8 {
		t.Errorf("%d bytes were hashed, want 8", m.Sums.read)
	}
}

// A file that got its time from its content must not reach the daemon with
// another; one that has a time of its own may.
func TestTransferOfKeptTimesWhileFilesChange(t *testing.T) {
	for name, ns := range map[string]int64{"whole second": 0, "fraction": 1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, attrs("f", "12345"))
			stamp := time.Unix(1700000000, ns)
			must(t, os.Chtimes(filepath.Join(dir, "f"), stamp, stamp))
			m, err := OpenDir(dir)
			must(t, err)
			m.Sums, m.Keep = newSums(nil), true
			m.FS = meddled{m.FS, func(string) error { return os.WriteFile(filepath.Join(dir, "f"), []byte("12346"), 0o644) }}
			server := &Server{mounts: map[string]Mount{"m": m}}
			_, err = receive(t.Context(), serveFiles(t, server), t.TempDir())
			if ns != 0 {
				must(t, err)
				return
			}
			if failed := server.Failed(); err == nil || !errors.Is(failed, ErrChanged) {
				t.Errorf("error %v, reason %v", err, failed)
			}
		})
	}
}

// A Dockerfile from a URL is known by its content, too.
func TestTransferOfAFetchedDockerfile(t *testing.T) {
	dest := t.TempDir()
	for _, text := range []string{"FROM a\n", "FROM b\n"} {
		server := &Server{mounts: map[string]Mount{"m": OneFile("Dockerfile", []byte(text))}}
		_, err := receive(t.Context(), serveFiles(t, server), dest)
		must(t, err)
		if got := mustRead(t, filepath.Join(dest, "Dockerfile")); got != text {
			t.Errorf("received %q, want %q", got, text)
		}
	}
}

// A directory of a context that cannot be read is the agent's fault, too.
func TestTransferOfWhatCannotBeListed(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{syscall.EMFILE: "ulimit -n", syscall.EIO: "kernel's log", syscall.EACCES: "make the file readable"} {
		dir := t.TempDir()
		write(t, dir, attrs("d/f", "1"))
		m, err := OpenDir(dir)
		must(t, err)
		m.FS = meddledList{m.FS, func() error { return &fs.PathError{Op: "open", Path: filepath.Join(dir, "d"), Err: errno} }}
		server := &Server{mounts: map[string]Mount{"m": m}}
		if _, err := receive(t.Context(), serveFiles(t, server), t.TempDir()); err == nil {
			t.Error("the transfer succeeded")
		}
		failed := server.Failed()
		if failed == nil || errors.Is(failed, ErrChanged) || !strings.Contains(failed.Error(), filepath.Join(dir, "d")) || !strings.Contains(failed.Hints()[0], want) {
			t.Errorf("%s became %v", errno, failed)
		}
	}
}
