package solve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// exportingDaemon is a buildkitd whose solves do nothing but export.
type exportingDaemon struct {
	buildkittest.Server
	manager *session.Manager
	export  func(ctx context.Context, caller session.Caller) error
	hangs   bool // when an export fails
	done    chan struct{}
}

func newExportingDaemon(t *testing.T, export func(context.Context, session.Caller) error) *exportingDaemon {
	t.Helper()
	manager, err := session.NewManager()
	must(t, err)
	return &exportingDaemon{Server: buildkittest.Server{Workers: 1}, manager: manager, export: export, done: make(chan struct{})}
}

func (d *exportingDaemon) Session(s grpc.BidiStreamingServer[control.BytesMessage, control.BytesMessage]) error {
	conn, closed, opts := grpchijack.Hijack(s)
	defer closeQuietly(conn)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	go func() {
		select {
		case <-closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return d.manager.HandleConn(ctx, conn, opts)
}

func (d *exportingDaemon) Solve(ctx context.Context, r *control.SolveRequest) (*control.SolveResponse, error) {
	defer close(d.done)
	caller, err := d.manager.Get(ctx, r.Session, false)
	if err != nil {
		return nil, err
	}
	if err := d.export(ctx, caller); err != nil {
		if d.hangs {
			<-ctx.Done()
		}
		return nil, err
	}
	return &control.SolveResponse{}, nil
}

func (d *exportingDaemon) Status(_ *control.StatusRequest, s grpc.ServerStreamingServer[control.StatusResponse]) error {
	select {
	case <-d.done:
		return nil
	case <-s.Context().Done():
		return s.Context().Err()
	}
}

// solveWith solves a plan on a daemon.
func solveWith(t *testing.T, d *exportingDaemon, p *Plan) error {
	t.Helper()
	dial, _ := buildkittest.Serve(t, d)
	daemon, err := buildkit.Connect(t.Context(), dial)
	must(t, err)
	defer func() { must(t, daemon.Close()) }()
	_, err = p.Solve(t.Context(), daemon, job.Job{}, event.Emitter{})
	return err
}

// outputsOf prepares a build of files with outputs in a new directory.
func outputsOf(t *testing.T, tune func(*Request), values ...string) *Plan {
	t.Helper()
	r := Request{Context: t.TempDir()}
	write(t, r.Context, attrs("Dockerfile", "FROM scratch"))
	for _, value := range values {
		o, err := output.Parse(value)
		must(t, err)
		r.Outputs = append(r.Outputs, o)
	}
	if tune != nil {
		tune(&r)
	}
	p, err := Prepare(t.Context(), r)
	must(t, err)
	return p
}

// virtual is a directory as the daemon has it, with owners and modes that a
// test may not make on disk. A name that ends in / is a directory.
func virtual(modes map[string]fs.FileMode, files map[string]string) fsutil.FS {
	dir := staticfs.NewFS()
	for name, text := range files {
		stat := &fstypes.Stat{Mode: 0o644, Uid: 12, Gid: 34, ModTime: 981173106_000000007}
		if path, ok := strings.CutSuffix(name, "/"); ok {
			name, stat.Mode = path, uint32(fs.ModeDir|0o755)
		}
		if mode, ok := modes[name]; ok {
			stat.Mode = stat.Mode&^uint32(fs.ModePerm) | uint32(mode)
		}
		dir.Add(name, stat, []byte(text))
	}
	return dir
}

// sending sends one directory to output 0.
func sending(files fsutil.FS) func(context.Context, session.Caller) error {
	return func(ctx context.Context, caller session.Caller) error {
		return filesync.CopyToCaller(ctx, files, 0, caller, nil)
	}
}

// All outputs of a solve, a local cache and an image layout go over one
// session.
func TestExportsOfASolve(t *testing.T) {
	source, dir := mixedTree(t), t.TempDir()
	must(t, os.Chmod(filepath.Join(source, "sub"), 0o555))
	files, err := fsutil.NewFS(source)
	must(t, err)
	dest, tar, cached := filepath.Join(dir, "out"), filepath.Join(dir, "out.tar"), filepath.Join(dir, "cache")
	p := outputsOf(t, func(r *Request) {
		r.CacheTo = []cache.Entry{{Type: cache.TypeLocal, Attrs: attrs("dest", cached)}}
	}, dest, "type=tar,dest="+tar)
	d := newExportingDaemon(t, func(ctx context.Context, caller session.Caller) error {
		stream, err := filesync.CopyFileWriter(ctx, nil, 1, caller)
		if err != nil {
			return err
		}
		if _, err := stream.Write(tarball(t)); err != nil {
			return err
		}
		store := sessioncontent.NewCallerStore(caller, "local:"+cached)
		if _, err := store.Info(ctx, digest.FromString("x")); err == nil || !strings.Contains(err.Error(), "not found") {
			return fmt.Errorf("the cache answers %w", err)
		}
		return errors.Join(stream.Close(), filesync.CopyToCaller(ctx, files, 0, caller, nil))
	})
	must(t, solveWith(t, d, p), publish(t, p), p.Close())
	if diff := cmp.Diff(snapshot(t, source), snapshot(t, dest)); diff != "" {
		t.Errorf("the output is another tree (-built +output):\n%s", diff)
	}
	if mustRead(t, tar) != string(tarball(t)) {
		t.Error("the tar is another")
	}
	for _, name := range []string{"a", "link", "sub", "sub/b", "sub/deep", "sub/deep/c", "pipe"} {
		was, err := os.Lstat(filepath.Join(source, name))
		must(t, err)
		is, err := os.Lstat(filepath.Join(dest, name))
		must(t, err)
		if !is.ModTime().Equal(was.ModTime()) {
			t.Errorf("%s has the time %s, want %s", name, is.ModTime(), was.ModTime())
		}
	}
	if left := stagingDirs(t, dir); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

// A solve of several platforms sends a directory for each, also at the same
// time, and a solve may send what a broken try has sent before.
func TestExportInSeveralStreams(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "out")
	p := outputsOf(t, nil, dest)
	d := newExportingDaemon(t, func(ctx context.Context, caller session.Caller) error {
		var streams sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			streams.Go(func() {
				errs[i] = sending(virtual(nil, map[string]string{"d/": "", fmt.Sprintf("d/%d", i): fmt.Sprint(i)}))(ctx, caller)
			})
		}
		streams.Wait()
		again := sending(virtual(nil, map[string]string{"d/": "", "d/0": "anew"}))(ctx, caller)
		return errors.Join(append(errs, again)...)
	})
	must(t, solveWith(t, d, p), publish(t, p), p.Close())
	wantTree(t, dest, attrs("d/0", "anew", "d/1", "1", "d/2", "2", "d/3", "3"))
}

// More files than are asked for at a time, larger ones between them.
func TestExportOfManyFiles(t *testing.T) {
	source, dest := t.TempDir(), filepath.Join(t.TempDir(), "out")
	manyFiles(t, source, 5*128, 100) // 128 are asked for at a time
	write(t, source, attrs("0/large", strings.Repeat("0123456789", 1<<20)))
	files, err := fsutil.NewFS(source)
	must(t, err)
	p := outputsOf(t, nil, dest)
	must(t, solveWith(t, newExportingDaemon(t, sending(files)), p), publish(t, p), p.Close())
	if diff := cmp.Diff(snapshot(t, source), snapshot(t, dest)); diff != "" {
		t.Errorf("the output is another tree (-built +output):\n%s", diff)
	}
}

// An output whose stream has broken off is none, whatever the daemon says.
func TestExportThatBreaksOff(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "out")
	p := outputsOf(t, nil, dest)
	defer func() { must(t, p.Close()) }()
	d := newExportingDaemon(t, func(ctx context.Context, caller session.Caller) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := filesync.NewFileSendClient(caller.Conn()).DiffCopy(ctx)
		must(t, err)
		must(t, stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: &fstypes.Stat{Path: "f", Mode: 0o644}}))
		return stream.RecvMsg(&fstypes.Packet{}) // the request for it
	})
	if err := solveWith(t, d, p); Classify(err) != KindBuilder || !strings.Contains(err.Error(), "has not been sent whole") {
		t.Errorf("error %v is %s, want builder", err, Classify(err))
	}
}

// Directories that deny their owner something come out as they were built, the
// second time, too.
func TestExportOfReadOnlyDirectories(t *testing.T) {
	if !ordinary(t) {
		return
	}
	modes := map[string]fs.FileMode{"ro": 0o555, "ro/deep": 0o500, "blind": 0o311, "shut": 0, "ro/file": 0o444, "listed": 0o444}
	files := map[string]string{
		"ro/": "", "ro/file": "1", "ro/deep/": "", "ro/deep/file": "2", "blind/": "", "blind/file": "3", "shut/": "", "shut/file": "4",
		"listed/": "", "listed/file": "5", "plain/": "", "plain/file": "6",
	}
	dir := t.TempDir()
	// The test's own clean-up cannot remove them.
	defer func() { must(t, target.RemoveTree(filepath.Join(dir, "out"))) }()
	dest := filepath.Join(dir, "out")
	build := func() error {
		p := outputsOf(t, nil, dest)
		defer func() { must(t, p.Close()) }()
		if err := solveWith(t, newExportingDaemon(t, sending(virtual(modes, files))), p); err != nil {
			return err
		}
		return publish(t, p)
	}
	must(t, build())
	check := func() {
		t.Helper()
		for _, name := range []string{"blind", "shut", "listed"} { // to look into them
			info, err := os.Lstat(filepath.Join(dest, name))
			must(t, err)
			if info.Mode().Perm() != modes[name] {
				t.Errorf("%s has mode %s", name, info.Mode())
			}
			must(t, os.Chmod(filepath.Join(dest, name), 0o755))
		}
		for _, name := range []string{"ro", "ro/deep", "ro/file"} {
			info, err := os.Lstat(filepath.Join(dest, name))
			must(t, err)
			if info.Mode().Perm() != modes[name] || info.ModTime().UnixNano() != 981173106_000000007 {
				t.Errorf("%s has mode %s and time %s", name, info.Mode(), info.ModTime())
			}
		}
		wantTree(t, dest, attrs("ro/file", "1", "ro/deep/file", "2", "blind/file", "3", "shut/file", "4", "listed/file", "5", "plain/file", "6"))
		wantClean(t, dest)
	}
	check()
	must(t, build()) // over the read-only ones of the first time
	check()

	// What somebody else made read-only stays so.
	must(t, os.Chmod(filepath.Join(dest, "plain"), 0o555))
	wantUsage(t, build(), "--output", "plain is not writable: permission denied")
	wantClean(t, dest)
	must(t, os.Chmod(filepath.Join(dest, "plain"), 0o755))
}

// A solve whose result the agent cannot take ends, also when the daemon waits
// for ever, as the agent's fault and without leaving anything.
func TestExportThatFailsOnTheAgent(t *testing.T) {
	const limit = "no file can be opened"
	tests := map[string]struct {
		run        func(t *testing.T, check func(t *testing.T, dir string, hog bool))
		want, hint string
	}{
		limit: {func(t *testing.T, check func(*testing.T, string, bool)) {
			check(t, t.TempDir(), true)
		}, "too many open files", "ulimit -n"},
		"a full disk": {func(t *testing.T, check func(*testing.T, string, bool)) {
			dir := t.TempDir()
			mountTmpfs(t, dir, "size=1m")
			check(t, dir, false)
		}, "no space left on device", "make room on that disk"},
		"no inode left": {func(t *testing.T, check func(*testing.T, string, bool)) {
			dir := t.TempDir()
			mountTmpfs(t, dir, "size=9m,nr_inodes=8")
			check(t, dir, false)
		}, "no space left on device", "make room on that disk"},
	}
	if !again(t, func(cmd *exec.Cmd) {
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		}
	}) {
		return
	}
	for name, tt := range tests {
		if name != limit && os.Geteuid() != 0 {
			continue
		}
		for _, hangs := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, hangs), func(t *testing.T) {
				tt.run(t, func(t *testing.T, dir string, hog bool) {
					p := outputsOf(t, nil, filepath.Join(dir, "out"))
					big := strings.Repeat("x", 3<<20)
					content := map[string]string{"d/": ""}
					for i := range 20 {
						content[fmt.Sprintf("d/%02d", i)] = big
					}
					var release func()
					d := newExportingDaemon(t, func(ctx context.Context, caller session.Caller) error {
						if hog {
							release = takeDescriptors(t)
						}
						return sending(virtual(nil, content))(ctx, caller)
					})
					d.hangs = hangs
					err := solveWith(t, d, p)
					wantUsage(t, err, "--output", tt.want)
					if usage := (*fault.Usage)(nil); !errors.As(err, &usage) || !strings.Contains(usage.Hint, tt.hint) {
						t.Errorf("the hint of %v is not %q", err, tt.hint)
					}
					must(t, p.Close()) // while no descriptor is free
					if release != nil {
						release()
					}
					entries, err := os.ReadDir(dir)
					if err != nil || len(entries) > 0 {
						t.Errorf("it left %v, %v", entries, err)
					}
				})
			})
		}
	}
}

func TestExplainFault(t *testing.T) {
	path := func(errno syscall.Errno) error {
		return fmt.Errorf("write it: %w", &fs.PathError{Op: "open", Path: "/x", Err: errno})
	}
	for _, tt := range []struct {
		name string
		err  error
		hint string
		kind Kind
	}{
		{"EMFILE", path(syscall.EMFILE), "ulimit -n", KindUsage},
		{"ENFILE", path(syscall.ENFILE), "fs.file-max", KindUsage},
		{"ENOSPC", path(syscall.ENOSPC), "TMPDIR", KindUsage},
		{"EDQUOT", path(syscall.EDQUOT), "quota", KindUsage},
		{"EROFS", &os.LinkError{Op: "rename", Err: syscall.EROFS}, "read-only", KindUsage},
		{"EIO", os.NewSyscallError("read", syscall.EIO), "kernel's log", KindUsage},
		{"a builder's text", errors.New("failed to solve: open /x: too many open files"), "", KindInternal},
		{"EFBIG", path(syscall.EFBIG), "ulimit -f", KindUsage},
		{"a connection", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EIO)}, "", KindLost},
		{"no descriptor for a connection", &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, "ulimit -n", KindUsage},
		{"another error", path(syscall.ENOENT), "", KindInternal},
	} {
		err := fault.ExplainAgent(tt.err)
		var hinted interface{ Hints() []string }
		if errors.As(err, &hinted) != (tt.hint != "") || tt.hint != "" && !strings.Contains(hinted.Hints()[0], tt.hint) {
			t.Errorf("%s became %v", tt.name, err)
		}
		if kind := Classify(err); kind != tt.kind {
			t.Errorf("%s is %s, want %s", tt.name, kind, tt.kind)
		}
	}
	own := &fault.Usage{Flag: "--output", Hint: "h"}
	if err := fault.ExplainAgent(errors.Join(own, path(syscall.EMFILE))); !errors.Is(err, own) {
		t.Errorf("a hint gave way: %v", err)
	}
	for errno, want := range map[syscall.Errno]Kind{syscall.EMFILE: KindUsage, syscall.ENFILE: KindUsage, syscall.ECONNREFUSED: KindInternal} {
		if kind := Classify(fault.OutOfFiles(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", errno)})); kind != want {
			t.Errorf("a connect that failed with %s is %s, want %s", errno, kind, want)
		}
	}
}
