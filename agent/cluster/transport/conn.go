package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"

	"github.com/slipway-build/slipway/internal/fault"
)

// executor runs one remote command; remotecommand's executors do.
type executor interface {
	StreamWithContext(ctx context.Context, options remotecommand.StreamOptions) error
}

// endedError is what a connection's Read and Write return after the remote
// command ended without being asked to.
type endedError struct {
	// Cause is the exit status or what broke the stream; nil when the command
	// ended with success.
	Cause error
	// Stderr is the end of what it wrote there.
	Stderr string
}

// Error says how the command ended and with which words.
func (e *endedError) Error() string {
	s := "the remote command ended"
	if e.Cause != nil {
		s = e.Cause.Error()
	}
	if e.Stderr != "" {
		s += ": " + e.Stderr
	}
	return s
}

// Unwrap returns the cause.
func (e *endedError) Unwrap() error { return e.Cause }

// closeTimeout is how long Close lets the remote command end by itself after its
// input has ended. That takes a round trip; a peer that needs longer is cut
// off.
const closeTimeout = 500 * time.Millisecond

// execConn is a net.Conn over the standard streams of a remote command. One
// end of a net.Pipe is embedded, which gives deadlines that hold; the other is
// the command's input and output.
type execConn struct {
	net.Conn
	remote address
	cancel context.CancelFunc
	// done is closed when the command's stream has ended; ended is set before.
	done  chan struct{}
	ended error

	// stdin happens once the streams are up, stdout with the first byte from
	// the other end.
	stdin, stdout onceEvent
	stderr        tail

	closing sync.Once
	closed  chan struct{}
}

// dial starts the command and waits until it writes its first bytes: a gRPC
// server sends its settings unasked, so these prove that buildkitd is there.
// The error is of ctx, an *endedError if the command ran, or what kept it from
// running.
func dial(ctx context.Context, command executor, name string) (net.Conn, error) {
	c := start(ctx, command, name)
	if err := c.await(ctx, c.stdout.event); err != nil {
		return nil, err
	}
	return c, nil
}

// start begins the command, which lives until the connection is closed.
func start(ctx context.Context, command executor, name string) *execConn {
	streaming, cancel := context.WithCancel(context.WithoutCancel(ctx))
	local, remote := net.Pipe()
	c := &execConn{
		Conn:   local,
		remote: address(name),
		cancel: cancel,
		done:   make(chan struct{}),
		closed: make(chan struct{}),
		stdin:  onceEvent{event: make(chan struct{})},
		stdout: onceEvent{event: make(chan struct{})},
		stderr: tail{limit: 4 << 10},
	}
	go fault.Protect(func() {
		defer close(c.done)
		err := fault.Guard(func() error {
			return command.StreamWithContext(streaming, remotecommand.StreamOptions{
				Stdin:  readerFunc(func(p []byte) (int, error) { c.stdin.happened(); return remote.Read(p) }),
				Stdout: writerFunc(func(p []byte) (int, error) { c.stdout.happened(); return remote.Write(p) }),
				Stderr: &c.stderr,
			})
		})()
		c.ended = &endedError{Cause: err, Stderr: c.stderr.String()}
		// The input is first read once the streams are up; without that and
		// without any other sign of life the command never ran.
		var status exec.CodeExitError
		if err != nil && !c.stdin.hasHappened() && c.stderr.String() == "" && !errors.As(err, &status) {
			c.ended = err
		}
		// Closing a pipe cannot fail. It ends the executor's copying, too.
		_ = remote.Close()
	})()
	return c
}

// await waits for an event of the connection. When the command ends before it,
// or ctx does, nothing of the command is left.
func (c *execConn) await(ctx context.Context, event <-chan struct{}) error {
	select {
	case <-event:
		return nil
	case <-c.done:
		c.cancel()
		return c.ended
	case <-ctx.Done():
		c.cancel()
		<-c.done
		return fmt.Errorf("wait for the first answer of buildkitd in pod %s: %w%s", c.remote, context.Cause(ctx), c.stderr.suffix())
	}
}

// Read implements net.Conn. After the command ended it returns an *endedError.
func (c *execConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.reason(err)
}

// Write implements net.Conn. After the command ended it returns an
// *endedError.
func (c *execConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.reason(err)
}

// reason puts why the stream ended in place of the pipe's own errors.
func (c *execConn) reason(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
	}
	// The remote end is closed only after ended is set.
	<-c.done
	return c.ended
}

// Close ends the command and returns when nothing of it is left running here.
func (c *execConn) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		// The command reads the end of its input and ends.
		_ = c.Conn.Close()
		grace := time.NewTimer(closeTimeout)
		defer grace.Stop()
		select {
		case <-c.done:
		case <-grace.C:
		}
		c.cancel()
		<-c.done
	})
	return nil
}

// LocalAddr implements net.Conn.
func (c *execConn) LocalAddr() net.Addr { return address("slipway") }

// RemoteAddr implements net.Conn; it names the pod.
func (c *execConn) RemoteAddr() net.Addr { return c.remote }

// address is the name of one end of an exec stream.
type address string

func (address) Network() string  { return "exec" }
func (a address) String() string { return string(a) }

type (
	readerFunc func([]byte) (int, error)
	writerFunc func([]byte) (int, error)
)

func (f readerFunc) Read(p []byte) (int, error)  { return f(p) }
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// onceEvent tells that something happened at least once.
type onceEvent struct {
	once  sync.Once
	event chan struct{}
}

func (f *onceEvent) happened() { f.once.Do(func() { close(f.event) }) }

func (f *onceEvent) hasHappened() bool {
	select {
	case <-f.event:
		return true
	default:
		return false
	}
}

// tail keeps the last bytes written to it.
type tail struct {
	limit int

	mu  sync.Mutex
	buf []byte
}

// Write implements io.Writer and never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - t.limit; extra > 0 {
		t.buf = append(t.buf[:0], t.buf[extra:]...)
	}
	return len(p), nil
}

// String is what was kept, on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(string(t.buf)), " ")
}

func (t *tail) suffix() string {
	if s := t.String(); s != "" {
		return ": " + s
	}
	return ""
}
