package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// fifo makes a named pipe.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// feed writes to a named pipe once somebody reads it.
func feed(t *testing.T, path, content string) {
	t.Helper()
	var written sync.WaitGroup
	written.Go(func() {
		if err := os.WriteFile(path, []byte(content), 0); err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
	t.Cleanup(written.Wait)
}

// substitute is what a shell's process substitution gives to a command: the
// name of a descriptor.
func substitute(t *testing.T, content string) string {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	if _, err := in.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join("/dev/fd", strconv.Itoa(int(out.Fd())))
}

func TestReadOnce(t *testing.T) {
	fed := fifo(t)
	feed(t, fed, "0123456789")
	for name, path := range map[string]string{
		"named pipe":           fed,
		"process substitution": substitute(t, "0123456789"),
	} {
		t.Run(name, func(t *testing.T) {
			r := New(t.Context(), nil)
			for range 3 {
				got, err := r.Read(path, 100)
				if err != nil || string(got) != "0123456789" {
					t.Fatalf("%q, %v", got, err)
				}
				got[0] = 'x' // is the caller's own
			}
			if _, err := r.Read(path, 5); !tooLong(err) {
				t.Errorf("a lower limit: %v", err)
			}
		})
	}
}

func TestReadConcurrently(t *testing.T) {
	path := fifo(t)
	feed(t, path, "secret")
	r := New(t.Context(), nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got, err := r.Read(path, 100); err != nil || string(got) != "secret" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	all.Wait()
}

func TestReadEmptySubstitution(t *testing.T) {
	got, err := New(t.Context(), nil).Read(substitute(t, ""), 100)
	if err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReadRegularFileAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	r := New(t.Context(), nil)
	for _, want := range []string{"old", "new"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Read(path, 3); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if _, err := r.Read(path, 2); !tooLong(err) {
			t.Errorf("a lower limit: %v", err)
		}
	}
}

func TestReadWithoutEnd(t *testing.T) {
	if _, err := New(t.Context(), nil).Read("/dev/zero", 1<<20); !tooLong(err) {
		t.Errorf("%v", err)
	}
}

func TestReadDirectory(t *testing.T) {
	if _, err := New(t.Context(), nil).Read(t.TempDir(), 100); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("%v", err)
	}
}

func TestReadMissing(t *testing.T) {
	if _, err := New(t.Context(), nil).Read(filepath.Join(t.TempDir(), "nope"), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestReadIsCancelled(t *testing.T) {
	silent, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = silent.Close(), in.Close() }()
	reads := map[string]func(*Reader) error{
		"named pipe without a writer": func(r *Reader) error { _, err := r.Read(fifo(t), 100); return err },
		"standard input":              func(r *Reader) error { _, err := r.ReadStdin(100); return err },
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			enough := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			r := New(ctx, silent)
			done := make(chan error, 1)
			go func() { done <- read(r) }()
			cancel(enough)
			if err := <-done; !errors.Is(err, enough) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestStdin(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	if _, err := in.WriteString("FROM scratch"); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	r := New(t.Context(), out)
	for range 2 {
		if got, err := r.ReadStdin(100); err != nil || string(got) != "FROM scratch" {
			t.Errorf("%q, %v", got, err)
		}
	}
	// Another name of the same pipe.
	if got, err := r.Read(filepath.Join("/proc/self/fd", strconv.Itoa(int(out.Fd()))), 100); err != nil || string(got) != "FROM scratch" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := New(t.Context(), nil).ReadStdin(100); !errors.Is(err, ErrNoStdin) {
		t.Errorf("%v", err)
	}
	if got, err := New(t.Context(), strings.NewReader("x")).ReadStdin(100); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestStreamIsTaken(t *testing.T) {
	path := substitute(t, "tar")
	r := New(t.Context(), nil)
	in, err := r.Stream(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); err != nil || string(got) != "tar" {
		t.Errorf("%q, %v", got, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if got, err := r.Read(path, 100); err == nil {
		t.Errorf("read again: %q", got)
	}
	if _, err := r.Stream(path); err == nil {
		t.Error("streamed again")
	}
}

func TestPath(t *testing.T) {
	r := New(t.Context(), nil)
	substituted := substitute(t, "kubeconfig")
	var before string
	for range 2 {
		path, err := r.Path(substituted, 100)
		if err != nil {
			t.Fatal(err)
		}
		if before != "" && path != before {
			t.Errorf("%s, then %s", before, path)
		}
		before = path
		for range 2 {
			if got, err := os.ReadFile(path); err != nil || string(got) != "kubeconfig" {
				t.Errorf("%q, %v", got, err)
			}
		}
	}
	regular := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(regular, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := r.Path(regular, 100); err != nil || path != regular {
		t.Errorf("%s, %v", path, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func tooLong(err error) bool {
	var e *TooLongError
	return errors.As(err, &e)
}
