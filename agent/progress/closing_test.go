package progress

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/internal/fault"
)

// TestLinesBesideClose has others log while a display closes: each line is shown once,
// by the display or below it.
func TestLinesBesideClose(t *testing.T) {
	const writers, lines = 8, 20
	for round := range 50 {
		var out bytes.Buffer
		terminal := NewTerminal(&out, nil)
		d, err := Open(t.Context(), terminal, Plain, "title")
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		begun := make(chan struct{}, writers)
		for writer := range writers {
			group.Go(fault.Protect(func() {
				for line := range lines {
					_, _ = fmt.Fprintf(terminal, "line %d of %d.\n", line, writer)
					if line == 0 {
						begun <- struct{}{}
					}
				}
			}))
		}
		<-begun
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		group.Wait()
		for writer := range writers {
			for line := range lines {
				if want := fmt.Sprintf("line %d of %d.\n", line, writer); strings.Count(out.String(), want) != 1 {
					t.Fatalf("round %d: %q is shown %d times:\n%s", round, want, strings.Count(out.String(), want), &out)
				}
			}
		}
	}
}

// lastDrawing is a screen that is told when to draw its last state.
type lastDrawing struct {
	out           *bytes.Buffer
	begins, draws chan struct{}
}

func (l lastDrawing) UpdateFrom(_ context.Context, ch chan *client.SolveStatus) ([]client.VertexWarning, error) {
	for range ch {
	}
	close(l.begins)
	<-l.draws
	l.out.WriteString("the last state\n")
	return nil, nil
}

// TestLinesBelowTheLastState has lines come while the last state is drawn: on a terminal
// it would be drawn over them.
func TestLinesBelowTheLastState(t *testing.T) {
	var out bytes.Buffer
	terminal := NewTerminal(&out, nil)
	screen := lastDrawing{out: &out, begins: make(chan struct{}), draws: make(chan struct{})}
	d := newDisplay(terminal, Plain)
	d.start(t.Context(), screen)
	closed := make(chan error)
	go fault.Protect(func() { closed <- d.Close() })()
	<-screen.begins
	text := []byte("first\n")
	_, _ = terminal.Write(text)
	copy(text, "again\n") // a writer does not keep what it is given
	_, _ = terminal.Write([]byte("second\n"))
	close(screen.draws)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	_, _ = terminal.Write([]byte("third\n"))
	if want := "the last state\nfirst\nsecond\nthird\n"; out.String() != want {
		t.Errorf("shown:\n%s\nwant:\n%s", &out, want)
	}
}

// slowLines is a display that shows lines when it is told to.
type slowLines struct {
	begins, shows chan struct{}
	out           *bytes.Buffer
}

func (s slowLines) log(line string) {
	close(s.begins)
	<-s.shows
	s.out.WriteString(line)
}

// TestDetachWaitsForLines has a display end between the moment when a line has found it
// and the moment when it shows the line.
func TestDetachWaitsForLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		terminal := NewTerminal(&out, nil)
		lines := slowLines{make(chan struct{}), make(chan struct{}), &out}
		terminal.attach(lines)
		go fault.Protect(func() { _, _ = terminal.Write([]byte("first\n")) })()
		<-lines.begins
		detached := make(chan struct{})
		go fault.Protect(func() { terminal.detach(lines); close(detached) })()
		synctest.Wait()
		select {
		case <-detached:
			t.Error("the display has ended without a line that was written before")
		default:
		}
		_, _ = terminal.Write([]byte("second\n"))
		close(lines.shows)
		<-detached
		terminal.resume()
		_, _ = terminal.Write([]byte("third\n"))
		if want := "first\nsecond\nthird\n"; out.String() != want {
			t.Errorf("shown:\n%s\nwant:\n%s", &out, want)
		}
	})
}

// TestLinesOfADrawnDisplay has a display that redraws itself, of which nothing is left of
// a step that has ended.
func TestLinesOfADrawnDisplay(t *testing.T) {
	var out bytes.Buffer
	terminal := NewTerminal(&out, nil)
	screen := lastDrawing{out: &out, begins: make(chan struct{}), draws: make(chan struct{})}
	d := newDisplay(terminal, TTY)
	d.drawn = true
	d.start(t.Context(), screen)
	_, _ = terminal.Write([]byte("a warning\n"))
	_, _ = terminal.Write([]byte("a piece"))
	close(screen.draws)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if want := "the last state\na warning\na piece\n"; out.String() != want {
		t.Errorf("shown:\n%s\nwant:\n%s", &out, want)
	}
}

// TestHeldIsBounded has more lines come than are held.
func TestHeldIsBounded(t *testing.T) {
	var out bytes.Buffer
	terminal := NewTerminal(&out, nil)
	line := strings.Repeat("x", 1<<10-1) + "\n"
	for range 2 << 10 {
		terminal.hold(line)
	}
	terminal.hold("last\n")
	terminal.resume()
	if out.Len() > maxKept || !strings.HasSuffix(out.String(), "x\nlast\n") {
		t.Errorf("%d bytes are held, at most %d and the latest are wanted", out.Len(), maxKept)
	}
}
