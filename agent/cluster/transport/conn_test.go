package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/remotecommand"
)

// command is an executor that runs a function as the remote command would.
type command func(ctx context.Context, in io.Reader, out, errs io.Writer) error

func (c command) StreamWithContext(ctx context.Context, o remotecommand.StreamOptions) error {
	return c(ctx, o.Stdin, o.Stdout, o.Stderr)
}

// echo greets as a gRPC server does and sends back what it gets, in a
// goroutine of its own as the real executors do.
func echo(ctx context.Context, in io.Reader, out, _ io.Writer) error {
	ended := make(chan error, 1)
	go func() {
		if _, err := io.WriteString(out, "hello"); err != nil {
			ended <- err
			return
		}
		_, err := io.Copy(out, in)
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func dialTest(t *testing.T, c command) net.Conn {
	t.Helper()
	conn, err := dial(t.Context(), c, "ci/builder")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	buf := make([]byte, 5)
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "hello" {
		t.Fatalf("greeting %q, %v", buf, err)
	}
	return conn
}

func TestConnCarriesBytes(t *testing.T) {
	conn := dialTest(t, echo)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		if _, err := conn.Write(sent); err != nil {
			t.Error(err)
		}
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent, got) {
		t.Error("the bytes changed on their way")
	}
	if conn.RemoteAddr().String() != "ci/builder" || conn.RemoteAddr().Network() != "exec" {
		t.Errorf("remote address %s %s", conn.RemoteAddr().Network(), conn.RemoteAddr())
	}
}

func TestConnDeadlines(t *testing.T) {
	deaf := func(ctx context.Context, _ io.Reader, out, _ io.Writer) error {
		if _, err := io.WriteString(out, "hello"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	conn := dialTest(t, deaf)
	if err := conn.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read: %v is no timeout", err)
	}
}

func TestConnTellsWhyItEnded(t *testing.T) {
	died := errors.New("command terminated with exit code 137")
	release := make(chan struct{})
	conn := dialTest(t, func(_ context.Context, in io.Reader, out, errs io.Writer) error {
		go func() {
			// As the real executors: the input is read until it ends.
			_, _ = io.Copy(io.Discard, in)
		}()
		if _, err := io.WriteString(out, "hello"); err != nil {
			return err
		}
		<-release
		if _, err := io.WriteString(errs, strings.Repeat("noise\n", 2000)+"out of memory\n"); err != nil {
			return err
		}
		return died
	})
	close(release)
	_, err := conn.Read(make([]byte, 1))
	var ended *endedError
	if !errors.As(err, &ended) || !errors.Is(err, died) {
		t.Fatalf("read: %v", err)
	}
	if !strings.HasPrefix(err.Error(), died.Error()+": ") || !strings.HasSuffix(err.Error(), "noise out of memory") {
		t.Errorf("read: %v", err)
	}
	if len(ended.Stderr) > 4<<10 {
		t.Errorf("%d bytes of stderr kept", len(ended.Stderr))
	}
	if _, err := conn.Write([]byte("x")); !errors.As(err, &ended) {
		t.Errorf("write: %v", err)
	}
}

func TestDialFails(t *testing.T) {
	refused := errors.New("upgrade refused")
	noSocket := errors.New("command terminated with exit code 1")
	cases := map[string]struct {
		run   command
		want  error
		words string
		ended bool
	}{
		"no stream": {
			run:  func(context.Context, io.Reader, io.Writer, io.Writer) error { return refused },
			want: refused, words: "upgrade refused",
		},
		"command fails": {
			run: func(_ context.Context, in io.Reader, _, errs io.Writer) error {
				go func() { _, _ = io.Copy(io.Discard, in) }()
				_, err := io.WriteString(errs, "dial unix: no such file\n")
				return errors.Join(noSocket, err)
			},
			want: noSocket, words: "exit code 1: dial unix: no such file", ended: true,
		},
		"command ends without a word": {
			run:   func(context.Context, io.Reader, io.Writer, io.Writer) error { return nil },
			words: "the remote command ended", ended: true,
		},
		"no answer": {
			run: func(ctx context.Context, _ io.Reader, _, errs io.Writer) error {
				if _, err := io.WriteString(errs, "still thinking"); err != nil {
					return err
				}
				<-ctx.Done()
				return ctx.Err()
			},
			want: context.DeadlineExceeded, words: "pod ci/builder: context deadline exceeded: still thinking",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := dial(ctx, c.run, "ci/builder")
			if err == nil || !strings.Contains(err.Error(), c.words) || (c.want != nil && !errors.Is(err, c.want)) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.words)
			}
			var ended *endedError
			if errors.As(err, &ended) != c.ended {
				t.Errorf("%T, want an ended command: %v", err, c.ended)
			}
		})
	}
}

// The dialling context bounds the dialling only.
func TestConnOutlivesDialContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := dial(ctx, command(echo), "ci/builder")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Errorf("read after the dial context ended: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestConnCloseEndsEverything(t *testing.T) {
	stubborn := func(ctx context.Context, _ io.Reader, out, _ io.Writer) error {
		if _, err := io.WriteString(out, "hello"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	for name, run := range map[string]command{"polite": echo, "stubborn": stubborn} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			for range 5 {
				conn := dialTest(t, run)
				read := make(chan error, 1)
				go func() {
					_, err := conn.Read(make([]byte, 1))
					read <- err
				}()
				if err := conn.Close(); err != nil {
					t.Fatal(err)
				}
				if err := <-read; !errors.Is(err, net.ErrClosed) {
					t.Errorf("the pending read got %v", err)
				}
				if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("a late write got %v", err)
				}
			}
			// Goroutines that were told to end may still be on their way out.
			for deadline := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
				runtime.Gosched()
			}
			if after := runtime.NumGoroutine(); after > before {
				buf := make([]byte, 1<<16)
				t.Errorf("%d goroutines before, %d after:\n%s", before, after, buf[:runtime.Stack(buf, true)])
			}
		})
	}
}
