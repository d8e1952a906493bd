package progress

import (
	"io"
	"sync"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// Terminal is where a command writes what is meant for people, usually
// standard error. Diagnostics may be written to it at any time: while a
// display is open they become part of it.
type Terminal struct {
	// out is written to past the gate only by what draws on a terminal and what
	// a program reads.
	out  io.Writer
	gate *sanitize.Writer
	mask *Mask

	mu      sync.Mutex
	display lineShower
	// passing are the writes that have found a display and are not shown by it yet.
	passing sync.WaitGroup
	// closing says that the display draws its last state: what is written meanwhile
	// is held, for it would be drawn over.
	closing bool
	// held is what is printed when the display has closed.
	held     []string
	heldSize int // in bytes
	// stalled says that out takes nothing, so that who writes would wait for ever.
	stalled bool
}

// lineShower is what shows diagnostics while it is open; *Display is one.
type lineShower interface{ log(line string) }

// NewTerminal returns a Terminal that writes to out what is left of a text
// without the secrets of the mask (nil is none) and without what terminals and
// CI systems obey. For a display that redraws itself out must be an *os.File of
// a terminal.
func NewTerminal(out io.Writer, mask *Mask) *Terminal {
	return &Terminal{out: out, gate: sanitize.NewWriter(out), mask: mask}
}

// Write implements io.Writer. It expects whole lines. What is written while a display
// closes is shown below it. Once a display has stalled, lines are dropped.
func (t *Terminal) Write(p []byte) (int, error) {
	display, taken := t.take(p)
	switch {
	case taken:
		return len(p), nil
	case display != nil:
		defer t.passing.Done()
		display.log(string(p))
		return len(p), nil
	}
	if err := t.print(string(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// take holds or drops a text where it is not to be shown now. Otherwise it returns the
// display that is to show it, which waits for that before it closes; nil for none.
func (t *Terminal) take(p []byte) (display lineShower, taken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stalled:
		return nil, true
	case t.closing:
		t.keep(string(p))
		return nil, true
	case t.display != nil:
		t.passing.Add(1)
	}
	return t.display, false
}

// maxKept is how much is held for below a display, in bytes; the latest counts.
const maxKept = 1 << 20

// hold has a text printed when the display has closed.
func (t *Terminal) hold(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stalled {
		t.keep(text)
	}
}

// keep is hold for who has the lock.
func (t *Terminal) keep(text string) {
	t.held = append(t.held, text)
	t.heldSize += len(text)
	for t.heldSize > maxKept && len(t.held) > 1 {
		t.heldSize -= len(t.held[0])
		t.held = t.held[1:]
	}
}

// print writes a text that no display shows.
func (t *Terminal) print(text string) error {
	_, err := io.WriteString(t.gate, t.mask.String(text))
	return err
}

// Clean returns a text from outside as a part of one line, without secrets and without
// what terminals and CI systems obey.
func (t *Terminal) Clean(text string) string { return sanitize.Line(t.mask.String(text)) }

// Command writes a line that the CI system is meant to obey, past what keeps such
// lines out. What it holds from outside must be clean. Once a display has stalled, the
// line is dropped.
func (t *Terminal) Command(line string) {
	t.mu.Lock()
	stalled := t.stalled
	t.mu.Unlock()
	if stalled {
		return
	}
	_ = t.gate.Flush()                      // what was held back stands before it
	_, _ = io.WriteString(t.out, line+"\n") // as little as other lines of a log
}

func (t *Terminal) attach(d lineShower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.display = d
}

// detach takes the display away when it has all lines that were written before, and
// holds later ones until resume. A display that is not attached is left alone.
func (t *Terminal) detach(d lineShower) {
	t.mu.Lock()
	attached := t.display == d
	if attached {
		t.display, t.closing = nil, true
	}
	t.mu.Unlock()
	if attached {
		t.passing.Wait()
	}
}

// resume prints what was held while the display was closing.
func (t *Terminal) resume() {
	for {
		t.mu.Lock()
		held := t.held
		t.held, t.heldSize = nil, 0
		if len(held) == 0 {
			t.closing = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		for _, text := range held {
			_ = t.print(text) // as little as other lines of a log
		}
	}
}

// stall takes the display away from a terminal whose output takes nothing.
func (t *Terminal) stall() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.display, t.stalled, t.held, t.heldSize = nil, true, nil, 0
}
