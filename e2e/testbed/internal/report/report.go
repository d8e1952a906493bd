// Package report prints what the testbed does, for a person at a terminal and
// for whoever reads a CI log later.
package report

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// logEvery is how often a running step says a word in a log: often enough that
// nobody takes it for hung, seldom enough to read.
const logEvery = 15 * time.Second

// Reporter is the only writer to the terminal. Its zero value is not usable.
type Reporter struct {
	out      *os.File
	terminal bool
	start    time.Time

	mu     sync.Mutex
	said   time.Time // when progress was last written
	status bool      // a status line is on the screen
}

// New makes a reporter that writes to out.
func New(out *os.File) *Reporter {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == ""
	return &Reporter{out: out, terminal: terminal, start: time.Now()}
}

// During calls work and tells, again and again, how far it is: a step that says
// nothing for a while must not look hung.
func (r *Reporter) During(work func() error, progress func() string) error {
	done, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				r.Progress("%s", progress())
			}
		}
	}()
	err := work()
	close(done)
	<-told
	return err
}

// Line prints one line, with the time since the start before it.
func (r *Reporter) Line(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	r.print("%s\n", r.stamp()+fmt.Sprintf(format, args...))
	r.said = time.Now()
}

// Progress tells how far the running step is. On a terminal it replaces the
// last such line; in a log it is a line now and then.
func (r *Reporter) Progress(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.terminal {
		if time.Since(r.said) < logEvery {
			return
		}
		r.said = time.Now()
		r.print("%s\n", r.stamp()+fmt.Sprintf(format, args...))
		return
	}
	if time.Since(r.said) < 100*time.Millisecond {
		return
	}
	r.said = time.Now()
	r.clear()
	text := r.stamp() + fmt.Sprintf(format, args...)
	r.print("%s", text[:min(len(text), 100)])
	r.status = true
}

func (r *Reporter) clear() {
	if r.status {
		r.print("\r\x1b[K")
		r.status = false
	}
}

func (r *Reporter) print(format string, args ...any) {
	// Nothing is left to tell it to when the terminal is gone.
	_, _ = fmt.Fprintf(r.out, format, args...)
}

func (r *Reporter) stamp() string {
	return fmt.Sprintf("[%6s] ", Duration(time.Since(r.start)))
}

// Duration writes a duration as people say it: 0.4s, 12s, 3m05s.
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// Indent sets text off from the lines around it.
func Indent(text string) string {
	return "  | " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  | ")
}
