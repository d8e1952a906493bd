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
	display *Display
	// stalled says that out takes nothing, so that who writes would wait for ever.
	stalled bool
}

// NewTerminal returns a Terminal that writes to out what is left of a text
// without the secrets of the mask (nil is none) and without what terminals and
// CI systems obey. For a display that redraws itself out must be an *os.File of
// a terminal.
func NewTerminal(out io.Writer, mask *Mask) *Terminal {
	return &Terminal{out: out, gate: sanitize.NewWriter(out), mask: mask}
}

// Write implements io.Writer. It expects whole lines. Once a display has stalled,
// lines are dropped.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	display, stalled := t.display, t.stalled
	t.mu.Unlock()
	switch {
	case stalled:
		return len(p), nil
	case display != nil:
		display.log(string(p))
		return len(p), nil
	}
	if _, err := io.WriteString(t.gate, t.mask.String(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
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

func (t *Terminal) attach(d *Display) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.display = d
}

// stall takes the display away from a terminal whose output takes nothing.
func (t *Terminal) stall() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.display, t.stalled = nil, true
}
