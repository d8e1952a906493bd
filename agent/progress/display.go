package progress

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Display shows one build, or the start of a builder, as a consumer of its events:
// the solves of all its nodes and the steps before them.
type Display struct {
	mode     Mode
	plain    bool // prints line by line
	drawn    bool // redraws itself on a terminal
	terminal *Terminal
	gate     gate
	form     *StepLog // nil for BuildKit's
	own      sync.Map // the digests of the steps that are no builder's

	// mu guards closed: who sends holds it for reading.
	mu     sync.RWMutex
	closed bool

	status   chan *client.SolveStatus
	finished chan struct{} // closed when the display has drawn its last state
	warnings []client.VertexWarning
	failure  error

	// stalled is closed when the display takes nothing any more: nobody waits for
	// it then. patience is how long a line of the log waits for it.
	stalled  chan struct{}
	stall    sync.Once
	patience time.Duration

	logs  *step
	build building
}

// Option changes how a Display shows a build.
type Option func(*Display)

// RawOutput shows the output of the build's steps as it is, but for secrets:
// with control sequences, and with what a CI system takes for commands.
func RawOutput(on bool) Option { return func(d *Display) { d.gate.raw = on } }

// Parts shows several builds at once. The nodes of their events have the names of the
// builds, or begin with them.
func Parts() Option {
	return func(d *Display) { d.build.parts, d.build.several, d.build.summary.parts = true, true, true }
}

// Open starts a display on the terminal, one at a time. The title says what is
// being built with, for example `building with "kube"`. Mode TTY is an error
// when the terminal is none. The display must be closed, which the end of its
// subscription does.
func Open(ctx context.Context, terminal *Terminal, mode Mode, title string, options ...Option) (*Display, error) {
	d := newDisplay(terminal, mode)
	for _, option := range options {
		option(d)
	}
	ui, err := d.open(sanitize.Line(title))
	if err != nil {
		return nil, err
	}
	d.start(ctx, ui)
	return d, nil
}

func newDisplay(terminal *Terminal, mode Mode) *Display {
	d := &Display{
		mode:     mode,
		terminal: terminal,
		gate:     gate{mask: terminal.mask, data: mode == RawJSON},
		status:   make(chan *client.SolveStatus),
		finished: make(chan struct{}),
		stalled:  make(chan struct{}),
		patience: event.Patience,
	}
	d.logs = d.step("slipway")
	return d
}

// start has the screen show what arrives.
func (d *Display) start(ctx context.Context, ui screen) {
	if d.mode.display() != progressui.QuietMode { // a display that shows nothing would swallow them
		d.terminal.attach(d)
	}
	go fault.Protect(func() {
		defer close(d.finished)
		// What a cancelled build was doing is worth seeing too. The display
		// ends when status is closed.
		d.failure = d.update(context.WithoutCancel(ctx), ui)
	})()
}

// screen shows what arrives: BuildKit's display, or the log of steps.
type screen interface {
	UpdateFrom(ctx context.Context, ch chan *client.SolveStatus) ([]client.VertexWarning, error)
}

// update shows what arrives. BuildKit's display trusts the builder and can be
// made to panic; the build goes on without it then, and fails in the end.
func (d *Display) update(ctx context.Context, ui screen) error {
	err := fault.Guard(func() (err error) {
		d.warnings, err = ui.UpdateFrom(ctx, d.status)
		return err
	})()
	for range d.status { // senders wait for a reader
	}
	return err
}

// open returns BuildKit's display for the mode. What it draws on a terminal is
// its own, around text that has passed the gate. What it prints line by line
// passes once more, as text: pieces of output may meet in a line, or begin one.
func (d *Display) open(title string) (screen, error) {
	desc := progressui.WithDesc(title, title)
	mode := d.mode.display()
	switch mode {
	case progressui.AutoMode, progressui.PlainMode:
		if d.form != nil {
			d.plain = true
			return newStepLines(d, title), nil
		}
	}
	switch mode {
	case progressui.AutoMode:
		if ui, err := progressui.NewDisplay(d.terminal.out, progressui.TtyMode, desc); err == nil {
			d.drawn = true
			return ui, nil
		}
		mode = progressui.PlainMode
	case progressui.PlainMode:
	default:
		d.drawn = mode == progressui.TtyMode
		return progressui.NewDisplay(d.terminal.out, mode, desc)
	}
	d.plain = true
	if d.gate.raw {
		return progressui.NewDisplay(d.terminal.out, mode, desc)
	}
	return progressui.NewDisplay(d.terminal.gate, mode, desc)
}

// Plain reports whether the display prints line by line, for people.
func (d *Display) Plain() bool { return d.plain }

// log shows a line of the command's own log, and once more below a display that redraws
// itself: that one keeps nothing of a step that has ended. Whoever logs, the build
// itself, does not wait for ever for a display that nobody reads.
func (d *Display) log(line string) {
	if d.drawn {
		d.terminal.hold(strings.TrimRight(line, "\n") + "\n")
	}
	patience := time.AfterFunc(d.patience, d.Stalled)
	defer patience.Stop()
	d.logs.say(line)
}

// Stalled implements event.Staller: nothing is shown from now on.
func (d *Display) Stalled() {
	d.stall.Do(func() {
		d.terminal.stall()
		close(d.stalled)
	})
}

// send passes a status on to the display; after Close, or when the display has
// stalled, it drops it.
func (d *Display) send(s *client.SolveStatus) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.closed {
		d.put(d.gate.clean(s))
	}
}

func (d *Display) put(s *client.SolveStatus) {
	select {
	case d.status <- s:
	case <-d.stalled:
	}
}

// Close implements event.Closer: it waits until everything consumed so far is
// shown, then prints the Dockerfile linter's warnings and the summary of a build that
// has succeeded. Where the display stalls, it returns an *event.StalledError at once,
// and what was being drawn may never end.
func (d *Display) Close() error {
	d.terminal.detach(d)
	d.logs.done(nil)
	d.mu.Lock()
	d.closed = true
	if rest := d.gate.end(time.Now()); len(rest.Logs) > 0 {
		d.put(rest)
	}
	close(d.status)
	d.mu.Unlock()
	select {
	case <-d.finished:
	case <-d.stalled:
		return fault.With(fault.ClassUsage, &event.StalledError{Consumer: "display", After: d.patience})
	}
	d.terminal.resume()
	switch d.mode {
	case Auto, Plain, TTY:
		printWarnings(d.terminal.gate, d.Warnings())
		if d.failure == nil {
			_, _ = d.terminal.Write([]byte(d.build.summary.text())) // as little as the warnings
		}
	case RawJSON, Quiet, None:
	}
	_ = d.terminal.gate.Flush() // a failing write is not worth failing a build that is over
	return d.failure
}

// Warnings returns the linter's warnings, each once however many nodes gave
// it. It is valid after Close.
func (d *Display) Warnings() []Warning { return distinct(d.warnings) }
