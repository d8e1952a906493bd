package filetest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Again runs a test once more in a second process of the test binary, for what
// a process can only do to itself as a whole, and reports whether this is the
// second one.
func Again(t *testing.T, tune func(*exec.Cmd)) bool {
	t.Helper()
	const mark = "SLIPWAY_TEST_AGAIN"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	tune(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// OwnMounts runs a test in a mount namespace of its own.
func OwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	return Again(t, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	})
}

// MountTmpfs mounts a file system of its own.
func MountTmpfs(t *testing.T, dir, options string) {
	t.Helper()
	Must(t, os.MkdirAll(dir, 0o755), unix.Mount("tmpfs", dir, "tmpfs", 0, options))
	t.Cleanup(func() { Must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

// MountBind mounts a file or directory of the same file system.
func MountBind(t *testing.T, from, to string) {
	t.Helper()
	Must(t, unix.Mount(from, to, "", unix.MS_BIND, ""))
	t.Cleanup(func() { Must(t, unix.Unmount(to, unix.MNT_DETACH)) })
}

// Unprivileged runs a test once more as an ordinary user, in a second process of
// the test binary. The test runs as root.
func Unprivileged(t *testing.T) {
	// A place that an ordinary user can reach.
	dir, err := os.MkdirTemp("/tmp", "slipway-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "filetest.test")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for path, mode := range map[string]os.FileMode{dir: 0o755, temp: 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + temp, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}

// Ordinary runs a test as an ordinary user.
func Ordinary(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	Unprivileged(t)
	return false
}

// TakeDescriptors opens files until there can be no more.
func TakeDescriptors(t *testing.T) (release func()) {
	t.Helper()
	var before unix.Rlimit
	Must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	Must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(64, before.Max), Max: before.Max}))
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, unix.EMFILE) {
			break
		}
		Must(t, err)
		taken = append(taken, f)
	}
	return func() {
		for _, f := range taken {
			Must(t, f.Close())
		}
		Must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
	}
}
