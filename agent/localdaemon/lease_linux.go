package localdaemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// How often locks and sockets are looked at, and how long a daemon may take to end
// when it is asked to, and when it is killed.
const (
	pause     = 10 * time.Millisecond
	stopGrace = 3 * time.Second
	killGrace = 2 * time.Second
)

// Lease is the use of a daemon by one connection.
type Lease struct {
	root string
	use  *os.File
	// child is the daemon if this lease has started it, else nil.
	child *child
}

// child is a daemon that this process has started.
type child struct {
	ended chan struct{} // closed when it has ended
	state string        // how it has ended, after that
}

// Acquire makes sure that the daemon of a node runs, and keeps it running until
// Release. ctx bounds the wait for it; report gets what is waited for. The error may
// have hints.
func Acquire(ctx context.Context, node configmap.Node, report func(string)) (*Lease, error) {
	if err := checkRoot(node); err != nil {
		return nil, err
	}
	root := node.Local.Root
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, hinted(err, "choose a directory that can be written: driver-opt root=DIR")
	}
	starting, err := lockAlone(ctx, filepath.Join(root, startLock), report)
	if err != nil {
		return nil, err
	}
	defer func() { _ = starting.Close() }() // which releases it
	use, err := openLock(filepath.Join(root, useLock))
	if err != nil {
		return nil, err
	}
	lease := &Lease{root: root, use: use}
	if err = unix.Flock(int(use.Fd()), unix.LOCK_SH); err == nil && !Running(node) {
		lease.child, err = start(ctx, node, report)
	}
	if err != nil {
		_ = use.Close() // nothing runs that it would be the use of
		return nil, err
	}
	return lease, nil
}

// Running says whether the daemon of a node accepts connections.
func Running(node configmap.Node) bool {
	if node.Local == nil || checkRoot(node) != nil {
		return false
	}
	conn, err := net.DialTimeout("unix", socketOf(node), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close() // that it was accepted is the answer
	return true
}

func openLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, hinted(err, "choose a directory that can be written: driver-opt root=DIR")
	}
	return file, nil
}

// lockAlone waits until nobody else has the lock.
func lockAlone(ctx context.Context, path string, report func(string)) (*os.File, error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		if !told {
			report("another command starts or stops buildkitd in " + filepath.Dir(path))
		}
		if err = sleep(ctx, pause); err != nil {
			break
		}
	}
	_ = file.Close() // it was not locked
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// sleep waits, or returns why ctx has ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start starts a daemon and waits until it listens.
func start(ctx context.Context, node configmap.Node, report func(string)) (*child, error) {
	root := node.Local.Root
	line, err := command(node, os.Geteuid() == 0, lookPath)
	if err != nil {
		return nil, err
	}
	if err := awaitState(ctx, root); err != nil {
		return nil, err
	}
	if err := writeFiles(node); err != nil {
		return nil, hinted(err, "choose a directory that can be written: driver-opt root=DIR")
	}
	// The socket of a daemon that was killed stays behind.
	if err := os.Remove(socketOf(node)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	report("starting buildkitd in " + root)
	log, err := os.OpenFile(filepath.Join(root, logName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the daemon has it now
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = root
	cmd.Stdout, cmd.Stderr = log, log
	// A signal of the terminal is for this process, which cancels the build first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		// What it has mounted goes with it, even when it is killed.
		cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
	} else {
		// runc keeps its state there, and a CI job has none, or one that ends with a
		// login of the same user.
		runtime := filepath.Join(root, runtimeDir)
		if err := os.MkdirAll(runtime, 0o700); err != nil {
			return nil, hinted(err, "choose a directory that can be written: driver-opt root=DIR")
		}
		cmd.Env = append(cmd.Environ(), "XDG_RUNTIME_DIR="+runtime)
	}
	if err := cmd.Start(); err != nil {
		if os.Geteuid() == 0 && errors.Is(err, unix.EPERM) {
			return nil, hinted(fmt.Errorf("start buildkitd: %w", err), noMounts)
		}
		return nil, fmt.Errorf("start buildkitd: %w", err)
	}
	c := &child{ended: make(chan struct{})}
	go fault.Protect(func() {
		defer close(c.ended)
		_ = cmd.Wait() // the state says it
		c.state = cmd.ProcessState.String()
	})()
	if err := c.await(ctx, node, cmd); err != nil {
		return nil, err
	}
	if strings.Contains(readTail(filepath.Join(root, logName)), slowSnapshotter) {
		report("the file system of " + root + " cannot hold an overlay, so layers are copied, which is slow: choose a directory on ext4 or xfs with driver-opt root=DIR")
	}
	return c, nil
}

// await waits until the daemon listens. One that does not is stopped.
func (c *child) await(ctx context.Context, node configmap.Node, cmd *exec.Cmd) error {
	for !Running(node) {
		select {
		case <-c.ended:
			return failure(node.Local.Root, "has ended before it listened ("+c.state+")")
		default:
		}
		if err := sleep(ctx, pause); err != nil {
			_ = cmd.Process.Signal(unix.SIGTERM) // it may have ended by now
			select {
			case <-c.ended:
			case <-time.After(stopGrace):
				_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // with what it has started
				<-c.ended
			}
			if errors.Is(err, context.DeadlineExceeded) {
				return failure(node.Local.Root, "does not listen after "+node.Remote.Timeout.String())
			}
			return err
		}
	}
	return nil
}

// awaitState waits until no daemon has the state: one whose command was killed while
// it stopped it may still be at it. buildkitd holds a lock of its own.
func awaitState(ctx context.Context, root string) error {
	for {
		file, err := os.Open(filepath.Join(root, stateDir, "buildkitd.lock"))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		_ = file.Close() // which releases it
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return hinted(fmt.Errorf("another buildkitd uses %s and does not listen there: %w", root, err), "stop it, or choose another directory with driver-opt root=DIR")
		}
	}
}

// Release ends the use of the daemon, and stops it if nobody else uses it. It waits
// for its end.
func (l *Lease) Release() {
	defer func() { _ = l.use.Close() }() // which releases it
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace+killGrace)
	defer cancel()
	starting, err := lockAlone(ctx, filepath.Join(l.root, startLock), func(string) {})
	if err != nil {
		return // somebody starts one, or stops it
	}
	defer func() { _ = starting.Close() }() // which releases it
	if unix.Flock(int(l.use.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return // somebody uses it
	}
	stop(filepath.Join(l.root, configmap.LocalSocket))
	if l.child != nil {
		select {
		case <-l.child.ended:
		case <-time.After(killGrace):
		}
	}
}

// Death is the error about a daemon that has ended while it was used; nil while it
// runs. It is asked once the connection is lost.
func (l *Lease) Death(node configmap.Node) error {
	const what = "has ended in the middle of the build"
	// Its end is known a little after that of its connections.
	if l.child != nil {
		select {
		case <-l.child.ended:
			return failure(l.root, what+" ("+l.child.state+")")
		case <-time.After(time.Second):
			return nil
		}
	}
	for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(pause) {
		if !Running(node) {
			return failure(l.root, what)
		}
	}
	return nil
}

// stop ends the daemon that listens on a socket. The kernel says which process that
// is, so no file with a process ID can be out of date.
func stop(socket string) {
	pid, err := listener(socket)
	if err != nil {
		return // nothing listens
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has ended
	}
	defer func() { _ = unix.Close(process) }() // it is only waited for
	if again, err := listener(socket); err != nil || again != pid {
		return // it has ended before it was held on to
	}
	for _, ask := range []struct {
		signal unix.Signal
		within time.Duration
	}{{unix.SIGTERM, stopGrace}, {unix.SIGKILL, killGrace}} {
		if unix.PidfdSendSignal(process, ask.signal, nil, 0) != nil || ends(process, ask.within) {
			return
		}
	}
}

// ends waits for the end of a process.
func ends(process int, within time.Duration) bool {
	for until := time.Now().Add(within); ; {
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// listener is the process that listens on a socket.
func listener(socket string) (int, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: socket})
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // nothing was said over it
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	if ctlErr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); ctlErr != nil {
		return 0, ctlErr
	}
	if err != nil {
		return 0, err
	}
	return int(peer.Pid), nil
}
