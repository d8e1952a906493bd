package localdaemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// node is one whose buildkitd is this binary. env stands in for rootlesskit.
func node(t *testing.T, how string) configmap.Node {
	t.Helper()
	t.Setenv(behaviour, how)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp("", "local") // that of a test with a long name is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	return configmap.Node{
		Name:   "local0",
		Local:  &configmap.Local{Buildkitd: self, Rootlesskit: "env", Root: filepath.Join(root, "made")},
		Remote: &configmap.Remote{Timeout: time.Minute},
	}
}

func acquire(t *testing.T, n configmap.Node) *Lease {
	t.Helper()
	lease, err := Acquire(t.Context(), n, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// pid is the process that listens.
func pid(t *testing.T, n configmap.Node) int {
	t.Helper()
	p, err := listener(socketOf(n))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOneDaemonForAll(t *testing.T) {
	n := node(t, "works")
	first := acquire(t, n)
	daemon := pid(t, n)
	second := acquire(t, n)
	if got := pid(t, n); got != daemon {
		t.Errorf("the second command has the daemon %d, not %d", got, daemon)
	}
	first.Release() // that it has started the daemon makes no difference
	if !Running(n) {
		t.Error("the daemon has ended with the command that has started it, while another one uses it")
	}
	second.Release()
	if Running(n) || unix.Kill(daemon, 0) == nil && !zombie(daemon) {
		t.Error("the daemon runs after the last command")
	}
	third := acquire(t, n) // on what the others have left
	if got := pid(t, n); got == daemon {
		t.Error("the old daemon listens")
	}
	third.Release()
}

// zombie says whether a process has ended and was not waited for.
func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestManyCommandsAtOnce(t *testing.T) {
	n := node(t, "works")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			lease, err := Acquire(t.Context(), n, func(string) {})
			if err != nil {
				t.Error(err)
				return
			}
			if !Running(n) {
				t.Error("no daemon runs under a lease")
			}
			lease.Release()
		})
	}
	all.Wait()
	if Running(n) {
		t.Error("the daemon runs after the last command")
	}
}

func TestKilledDaemon(t *testing.T) {
	n := node(t, "works")
	owner, other := acquire(t, n), acquire(t, n)
	if err := other.Death(n); err != nil {
		t.Errorf("a daemon that runs has ended: %v", err)
	}
	if err := unix.Kill(pid(t, n), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for name, lease := range map[string]*Lease{"that has started it": owner, "of another command": other} {
		err := lease.Death(n)
		if err == nil || !strings.Contains(err.Error(), "has ended in the middle of the build") {
			t.Errorf("the lease %s: %v", name, err)
		}
	}
	if err := owner.Death(n); !strings.Contains(err.Error(), "signal: killed") && os.Geteuid() == 0 {
		t.Errorf("the owner does not say how: %v", err)
	}
	owner.Release()
	other.Release()
	// Its socket is there still.
	if _, err := os.Lstat(socketOf(n)); err != nil {
		t.Fatal(err)
	}
	acquire(t, n).Release()
}

func TestDaemonThatIgnoresSIGTERM(t *testing.T) {
	n := node(t, "deaf")
	lease := acquire(t, n)
	lease.Release()
	if Running(n) {
		t.Error("the daemon runs")
	}
}

func TestDaemonThatFails(t *testing.T) {
	n := node(t, "fails")
	_, err := Acquire(t.Context(), n, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "has ended before it listened (exit status 1); its last lines: buildkitd: no worker found") || strings.Contains(err.Error(), "all is well") {
		t.Errorf("error: %v", err)
	}
	hints := strings.Join(fault.Hints(err), "\n")
	if !strings.Contains(hints, "put runc") || !strings.Contains(hints, LogFile(n)) {
		t.Errorf("hints: %s", hints)
	}
}

func TestDaemonThatDoesNotListen(t *testing.T) {
	n := node(t, "hangs")
	n.Remote.Timeout = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), n.Remote.Timeout)
	defer cancel()
	_, err := Acquire(ctx, n, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "buildkitd does not listen after 200ms") {
		t.Errorf("error: %v", err)
	}
	n = node(t, "hangs")
	ctx, cancelled := context.WithCancelCause(t.Context())
	cause := errors.New("the job was cancelled")
	time.AfterFunc(100*time.Millisecond, func() { cancelled(cause) })
	if _, err := Acquire(ctx, n, func(string) {}); !errors.Is(err, cause) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestStateInUse has a daemon on the state that does not listen where it should, as
// one that somebody else has started.
func TestStateInUse(t *testing.T) {
	n := node(t, "works")
	state := filepath.Join(n.Local.Root, stateDir)
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := openLock(filepath.Join(state, "buildkitd.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Acquire(ctx, n, func(string) {}); err == nil || !strings.Contains(err.Error(), "another buildkitd uses "+n.Local.Root) {
		t.Errorf("error: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = lock.Close() })
	acquire(t, n).Release() // it ends in time
}

func TestRoot(t *testing.T) {
	n := node(t, "works")
	for root, want := range map[string]string{
		"":                                   "neither HOME nor XDG_CACHE_HOME is set",
		"/tmp/" + strings.Repeat("long", 30): "has 140 bytes, and a unix socket at most 107",
		"/proc/slipway":                      "/proc/slipway",
	} {
		n.Local.Root = root
		_, err := Acquire(t.Context(), n, func(string) {})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(strings.Join(fault.Hints(err), "\n"), "root=DIR") {
			t.Errorf("%q: %v, %q", root, err, fault.Hints(err))
		}
	}
}
