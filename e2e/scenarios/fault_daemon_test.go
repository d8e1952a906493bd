package scenarios

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/session/filesync"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/slipway-build/slipway/e2e/faults/hostiledaemon"
)

// maxMemory is how much memory slipway may take at most, whatever a builder
// sends, in bytes.
const maxMemory = 400 << 20

// victim is a slipway on this machine whose builder lies. Nothing of it needs
// the cluster.
type victim struct {
	t       *testing.T
	f       *planted
	program string
	root    string // holds all that slipway may know of
	user    uint32
	daemon  *hostiledaemon.Daemon
	before  map[string]string
}

// buildProduct returns a slipway for this machine, which is built once, unless
// another binary is to take its place.
func buildProduct(t *testing.T) string {
	t.Helper()
	if other := os.Getenv(otherBinary); other != "" {
		return other
	}
	program, err := product()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// newVictim sets up a working directory for slipway: a context, a definition of
// the builder, and files beside them that are none of the builder's business.
func newVictim(t *testing.T, f *planted, program string, does hostiledaemon.Behaviour) *victim {
	t.Helper()
	daemon, err := hostiledaemon.Start(does)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := daemon.Close(); err != nil {
			t.Error(err)
		}
	})
	v := &victim{t: t, f: f, program: program, root: t.TempDir(), daemon: daemon}
	for path, content := range map[string]string{
		"work/context/Dockerfile": "FROM scratch\nCOPY file /\n",
		"work/context/file":       "of the context",
		"work/builders.yaml":      "Name: far\nDriver: remote\nNodes:\n  - Name: far\n    Endpoint: tcp://" + daemon.Address() + "\n    Platforms: [{os: linux, architecture: amd64}]\n",
		"work/secret":             "not of the context",
		"outside":                 "not of the working directory",
		"home/.keep":              "",
		"tmp/.keep":               "",
	} {
		path = filepath.Join(v.root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// path is that of a file in the working directory.
func (v *victim) path(name string) string { return filepath.Join(v.root, "work", name) }

// running is a slipway that has been started.
type running struct {
	v      *victim
	cmd    *exec.Cmd
	began  time.Time
	stdout bothEnds
	stderr bothEnds
	ended  chan struct{} // closed when it has ended
	peak   int64         // bytes of memory, valid then
	failed error
}

// start starts slipway in the working directory.
func (v *victim) start(args ...string) *running {
	v.t.Helper()
	v.before = v.snapshot()
	r := &running{v: v, cmd: exec.Command(v.program, args...), began: time.Now(), ended: make(chan struct{})}
	r.cmd.Dir = v.path("")
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	r.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(v.root, "home"), "TMPDIR=" + filepath.Join(v.root, "tmp"),
		"SLIPWAY_DEFINITIONS=builders.yaml", "SECRET=value of a secret",
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if v.user != 0 {
		r.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: v.user, Gid: v.user}
	}
	if err := r.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	var watching sync.WaitGroup
	watching.Go(func() { r.watchMemory() })
	go func() {
		defer close(r.ended)
		watching.Wait()
		r.failed = r.cmd.Wait()
	}()
	v.t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // it has ended, unless the test failed
		<-r.ended
	})
	return r
}

// watchMemory keeps the peak of the process's memory until it has ended. The
// kernel keeps it, too, but of a process that is started by a large one it
// counts the memory of that.
func (r *running) watchMemory() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		peak := peakMemory(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
		if peak == 0 { // it has ended
			return
		}
		r.peak = peak
	}
}

// peakMemory reads the peak of a process's memory; 0 for one that has ended.
func peakMemory(status string) int64 {
	file, err := os.Open(status)
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kilobytes int64
		if _, err := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	return 0
}

// signal ends slipway as a CI system does.
func (r *running) signal() {
	r.v.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.v.t.Error(err)
	}
}

// end waits until slipway has ended by itself.
func (r *running) end() result {
	r.v.t.Helper()
	select {
	case <-r.ended:
		r.v.f.held(hang, true, "")
	case <-time.After(2 * patience):
		r.v.f.held(hang, false, "not ended within %s", 2*patience)
		_ = r.cmd.Process.Signal(syscall.SIGQUIT)
		<-r.ended
	}
	if exited := (*exec.ExitError)(nil); r.failed != nil && !errors.As(r.failed, &exited) {
		r.v.t.Fatal(r.failed)
	}
	r.v.t.Logf("exit %d after %s, %d MiB\n%s", r.cmd.ProcessState.ExitCode(), time.Since(r.began).Round(time.Millisecond), r.peak>>20, clip(r.stderr.String()))
	r.v.f.held(leak, r.peak <= maxMemory, "slipway took %d MiB of memory, at most %d are right", r.peak>>20, maxMemory>>20)
	return result{stdout: r.stdout.String(), stderr: r.stderr.String(), code: r.cmd.ProcessState.ExitCode(), took: time.Since(r.began)}
}

// bothEnds keeps the beginning and the end of what is written to it, which may
// be without end.
type bothEnds struct{ first, last []byte }

// atEitherEnd is how much of a text is kept.
const atEitherEnd = 256 << 10

// Write implements io.Writer.
func (b *bothEnds) Write(p []byte) (int, error) {
	room := min(atEitherEnd-len(b.first), len(p))
	b.first = append(b.first, p[:room]...)
	b.last = append(b.last, p[room:]...)
	if len(b.last) > 2*atEitherEnd {
		b.last = slices.Clone(b.last[len(b.last)-atEitherEnd:])
	}
	return len(p), nil
}

// String implements fmt.Stringer.
func (b *bothEnds) String() string { return string(b.first) + string(b.last) }

// clip is a text that fits into a log.
func clip(text string) string {
	const most = 4000
	if len(text) > most {
		return text[:most/2] + "\n…\n" + text[len(text)-most/2:]
	}
	return text
}

// build builds the context and waits for the end.
func (v *victim) build(args ...string) result {
	v.t.Helper()
	return v.start(append([]string{"build", "context"}, args...)...).end()
}

// snapshot describes all files that slipway may know of, but for its home.
func (v *victim) snapshot() map[string]string {
	v.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(v.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(v.root, "home") {
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(info.Mode())
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %q %s", content, info.ModTime())
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + to
		}
		name, err := filepath.Rel(v.root, path)
		all[name] = text
		return err
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return all
}

// untouched checks that nothing has changed but below the named paths of the
// working directory: no file of others, and nothing half-written is left.
func (v *victim) untouched(but ...string) {
	v.t.Helper()
	var changed, left []string
	after := v.snapshot()
	for path, was := range v.before {
		if after[path] != was {
			changed = append(changed, fmt.Sprintf("%s: %s, now %s", path, was, after[path]))
		}
	}
	for path := range after {
		own := slices.ContainsFunc(but, func(b string) bool {
			b = filepath.Join("work", b)
			return path == b || strings.HasPrefix(path, b+"/")
		})
		if _, there := v.before[path]; !there && !own {
			left = append(left, path)
		}
	}
	slices.Sort(changed)
	slices.Sort(left)
	v.f.held(foreignTouched, len(changed) == 0, "%s", strings.Join(changed, "\n"))
	v.f.held(partialOutput, len(left) == 0, "left: %s", strings.Join(left, " "))
}

// lie is what a builder does in one build, and how slipway comes out of it.
type lie struct {
	name string
	does hostiledaemon.Behaviour
	args []string // of the build
	code int      // 0 where it survives
	// words are in standard error.
	words []string
	// made are the outputs of the build.
	made []string
}

// tell has builders tell lies.
func tell(t *testing.T, lies []lie) {
	t.Helper()
	program := buildProduct(t)
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			f := plant(t, "builder", l.name)
			v := newVictim(t, f, program, l.does)
			l.judge(v, v.build(l.args...))
		})
	}
}

func (l lie) judge(v *victim, r result) {
	v.t.Helper()
	v.untouched(l.made...)
	if l.code == 0 {
		v.f.survived(r)
	} else {
		v.f.explained(r, l.code, l.words...)
	}
	noCrash(v.t, r)
}

// noCrash fails the test for a process that ended in a way that it did not
// choose.
func noCrash(t *testing.T, r result) {
	t.Helper()
	for _, sign := range []string{"goroutine ", "panic:", "fatal error:"} {
		if strings.Contains(r.stderr, sign) {
			t.Errorf("standard error has %q:\n%s", sign, clip(r.stderr))
		}
	}
}

// sending is a daemon whose builds only send.
func sending(send func(context.Context, *hostiledaemon.Build) error) hostiledaemon.Behaviour {
	return hostiledaemon.Behaviour{Solve: func(ctx context.Context, b *hostiledaemon.Build) (map[string]string, error) {
		return nil, send(ctx, b)
	}}
}

// tree is a daemon that sends a directory.
func tree(entries ...hostiledaemon.Entry) hostiledaemon.Behaviour {
	return sending(func(ctx context.Context, b *hostiledaemon.Build) error { return b.SendTree(ctx, 0, entries...) })
}

// TestFaultBuilderPaths has a builder send a directory whose entries would be
// written outside of the destination.
func TestFaultBuilderPaths(t *testing.T) {
	t.Parallel()
	file, dir, link := hostiledaemon.File, hostiledaemon.Dir, hostiledaemon.Symlink
	local := []string{"--output", "out"}
	invalid := []string{"the builder has sent a list that is not valid"}
	hard := func(path, to string) hostiledaemon.Entry {
		e := file(path, "")
		e.Linkname = to
		return e
	}
	tell(t, []lie{
		{"a directory, honestly", tree(dir("d"), file("d/f", "content"), link("l", "d/f")), local, 0, nil, []string{"out"}},
		{"a path ../x", tree(file("../x", "x")), local, 3, invalid, nil},
		{"a path ..", tree(dir("..")), local, 3, invalid, nil},
		{"an absolute path", tree(file("/tmp/x", "x")), local, 3, invalid, nil},
		{"a path a/../../x", tree(dir("a"), file("a/../../x", "x")), local, 3, invalid, nil},
		{"a file through a link", tree(link("a", "../.."), file("a/x", "x")), local, 3, invalid, nil},
		{"a directory where a link was", tree(link("a", "../.."), dir("a"), file("a/x", "x")), local, 3, invalid, nil},
		{"a hard link to outside", tree(hard("a", "../../outside")), local, 3, invalid, nil},
		{"a hard link to an absolute path", tree(hard("a", "/etc/passwd")), local, 3, invalid, nil},
		{"a hard link through a link", tree(link("a", ".."), hard("b", "a/secret")), local, 3, invalid, nil},
		{"a name with NUL", tree(file("a\x00b", "x")), local, 3, []string{"has a zero byte"}, nil},
		{"a name with a newline", tree(file("a\nerror: b\x1b[2J", "x")), local, 0, nil, []string{"out"}},
		{"an empty name", tree(file("", "x")), local, 3, invalid, nil},
		{"a name of 300 bytes", tree(file(strings.Repeat("n", 300), "x")), local, 2, []string{"name too long"}, nil},
	})
}

// TestFaultBuilderStreams has a builder say that a build is done whose output
// it has not sent whole, or send it in several streams that disagree.
func TestFaultBuilderStreams(t *testing.T) {
	t.Parallel()
	incomplete := []string{"error: ", "has not been sent whole"}
	// begun sends the beginning of a directory.
	begun := func(ctx context.Context, b *hostiledaemon.Build) (hostiledaemon.Stream, error) {
		stream, err := b.Output(ctx, 0, nil)
		if err == nil {
			err = stream.List(hostiledaemon.File("a", "content").Stat, hostiledaemon.File("b", "content").Stat)
		}
		if err == nil {
			_, err = stream.Asked()
		}
		return stream, errors.Join(err, stream.Data(0, []byte("con")))
	}
	half := func(ctx context.Context, b *hostiledaemon.Build) (hostiledaemon.Stream, error) {
		stream, err := b.Output(ctx, 0, nil)
		for range 8 { // more than fits into buffers on the way
			err = errors.Join(err, stream.SendMsg(&filesync.BytesMessage{Data: make([]byte, 1<<20)}))
		}
		return stream, err
	}
	// broken breaks off after a part of an output and says that all is well.
	broken := func(part func(context.Context, *hostiledaemon.Build) (hostiledaemon.Stream, error)) hostiledaemon.Behaviour {
		return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			streamCtx, cancel := context.WithCancel(ctx)
			defer cancel()
			_, err := part(streamCtx, b)
			return err
		})
	}
	open := func(part func(context.Context, *hostiledaemon.Build) (hostiledaemon.Stream, error)) hostiledaemon.Behaviour {
		return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			_, err := part(context.WithoutCancel(ctx), b)
			return err
		})
	}
	ended := func(ctx context.Context, b *hostiledaemon.Build) (hostiledaemon.Stream, error) {
		stream, err := begun(ctx, b)
		return stream, errors.Join(err, stream.CloseSend())
	}
	reset := func(part func(context.Context, *hostiledaemon.Build) (hostiledaemon.Stream, error)) hostiledaemon.Behaviour {
		return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			_, err := part(ctx, b)
			b.Reset()
			return err
		})
	}
	local, tar, oci := []string{"--output", "out"}, []string{"--output", "type=tar,dest=out"}, []string{"--output", "type=oci,dest=out"}
	tell(t, []lie{
		{"a directory that breaks off, and success", broken(begun), local, 3, incomplete, nil},
		{"a directory that is still sent, and success", open(begun), local, 3, incomplete, nil},
		{"a directory whose list ends early, and success", broken(ended), local, 3, incomplete, nil},
		{"a tar that breaks off, and success", broken(half), tar, 3, incomplete, nil},
		{"a tar that is still sent, and success", open(half), tar, 3, incomplete, nil},
		{"an archive that breaks off, and success", broken(half), oci, 3, incomplete, nil},
		{"a directory, the session reset, and success", reset(begun), local, 3, incomplete, nil},
		{"a tar, the session reset, and success", reset(half), tar, 3, incomplete, nil},
		{"no tar at all, and success", hostiledaemon.Behaviour{}, tar, 2, []string{"the builder has sent nothing for it"}, nil},
		{"two tars for one output", sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			return errors.Join(b.SendFile(ctx, 0, nil, strings.NewReader("one")), b.SendFile(ctx, 0, nil, strings.NewReader("two")))
		}), tar, 1, []string{"the solve has ended"}, nil},
		{"an output that was not asked for", sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			return b.SendTree(ctx, 7, hostiledaemon.File("a", "content"))
		}), local, 1, []string{"there is no output 7"}, nil},
		{"modes of a file that another stream made a link to outside", hostiledaemon.Behaviour{Solve: func(ctx context.Context, b *hostiledaemon.Build) (map[string]string, error) {
			stream, err := b.Output(ctx, 0, nil)
			if err != nil {
				return nil, err
			}
			file := hostiledaemon.File("f", "")
			file.Mode = uint32(fs.ModeSetuid | 0o777)
			if err := stream.List(file.Stat); err != nil {
				return nil, err
			}
			id, err := stream.Asked()
			if err != nil {
				return nil, err
			}
			if err := b.SendTree(ctx, 0, hostiledaemon.Symlink("f", "../../../outside")); err != nil {
				return nil, err
			}
			_ = stream.Data(id, nil) // refused or not, the file must stay as it is
			_ = stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_STAT})
			_, err = stream.Asked()
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			return nil, errors.New("the stream has ended")
		}}, local, 2, []string{"chmodat f: path escapes"}, nil},
	})
}
