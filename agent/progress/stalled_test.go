package progress

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/internal/fault"
)

// within fails the test where do does not return.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go fault.Protect(func() { defer close(done); do() })()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s does not return", what)
	}
}

// TestADisplayThatNobodyReads has a pipe without a reader: the log of the command does
// not stop the build, whoever finds that the display has stalled.
func TestADisplayThatNobodyReads(t *testing.T) {
	for _, mode := range []Mode{Plain, RawJSON} {
		for name, found := range map[string]time.Duration{"by the stream": 0, "by the log": 20 * time.Millisecond} {
			in, out := io.Pipe()
			terminal := NewTerminal(out, nil)
			d, err := Open(t.Context(), terminal, mode, "title")
			if err != nil {
				t.Fatal(err)
			}
			if found > 0 {
				d.patience = found
			} else {
				time.AfterFunc(20*time.Millisecond, d.Stalled)
			}
			within(t, "a line that was waiting", func() {
				for range 100 {
					_, _ = terminal.Write([]byte("a diagnostic\n"))
				}
			})
			within(t, "a later line", func() {
				if n, err := terminal.Write([]byte("another\n")); n != 8 || err != nil {
					t.Errorf("%s, %s: wrote %d, %v", mode, name, n, err)
				}
			})
			within(t, "Consume", func() { _ = d.Consume(event.Event{Publishing: &event.Publishing{Names: []string{"r/a"}}}) })
			within(t, "Close", func() { err = d.Close() })
			if !errors.As(err, new(*event.StalledError)) || fault.ClassOf(err) != fault.ClassUsage {
				t.Errorf("%s, %s: error %v", mode, name, err)
			}
			_ = in.Close() // the display's own goroutine ends
			<-d.finished
		}
	}
}

// TestADisplayThatStallsInClose has a reader that goes before the end.
func TestADisplayThatStallsInClose(t *testing.T) {
	in, out := io.Pipe()
	d, err := Open(t.Context(), NewTerminal(out, nil), Plain, "title")
	if err != nil {
		t.Fatal(err)
	}
	d.logs.say("is being drawn when the reader goes")
	time.AfterFunc(20*time.Millisecond, d.Stalled)
	within(t, "Close", func() { err = d.Close() })
	if !errors.As(err, new(*event.StalledError)) {
		t.Errorf("error %v", err)
	}
	_ = in.Close()
	<-d.finished
}

// TestADisplayWhoseReaderIsGone has a pipe that nobody reads any more: the build goes
// on, and nothing is wrong with it for that.
func TestADisplayWhoseReaderIsGone(t *testing.T) {
	for _, mode := range []Mode{Plain, RawJSON, Quiet} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = in.Close()
		terminal := NewTerminal(out, nil)
		d, err := Open(t.Context(), terminal, mode, "title")
		if err != nil {
			t.Fatal(err)
		}
		within(t, string(mode), func() {
			for range 100 {
				_, _ = terminal.Write([]byte("a diagnostic\n"))
			}
			if err := d.Close(); err != nil {
				t.Errorf("%s: %v", mode, err)
			}
		})
		_ = out.Close()
	}
}
