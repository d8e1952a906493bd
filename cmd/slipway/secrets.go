package main

import (
	"io"
	"os"
	"sync"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/registry"
)

// secrets keeps credentials and secrets of builds out of what is printed, by
// this command and, where the CI system is to be told, by those after it.
type secrets struct {
	mask *progress.Mask

	mu sync.Mutex
	// tell receives commands to the CI system, which command makes of a value;
	// nil where nobody listens.
	tell    *lineWriter
	command func(value string) string
}

// hide makes a credential secret.
func (s *secrets) hide(cred registry.Credential) { s.hideValues(cred.Secrets()...) }

// hideValues makes values secret.
func (s *secrets) hideValues(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.mask.Add(values...) {
		if s.tell != nil {
			s.tell.line(s.command(value))
		}
	}
}

// tellNobody ends the telling, for output that a program reads.
func (s *secrets) tellNobody() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = nil
}

// listens reports whether the runner of a CI system may read what is written to stderr: it
// takes commands from there as it does from standard output, which belongs to
// what a build puts out. A file is no runner; a secret must not stand in it.
// Whether a pipe ends at the runner or in tee, only who wrote the workflow
// knows: without being told so with --ci-mask nobody is told a secret.
func listens(system ci.System, stderr io.Writer) bool {
	file, ok := stderr.(*os.File)
	if system.Mask("x") == "" || !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// lineWriter is a writer into which lines can be put by others in the middle of
// things: each begins at the beginning of a line.
type lineWriter struct {
	out io.Writer

	mu sync.Mutex
	// within says that the last line has no end yet.
	within bool
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.out.Write(p)
	if n > 0 {
		w.within = p[n-1] != '\n'
	}
	return n, err
}

// line writes a line of its own. What cannot be written cannot be told either.
func (w *lineWriter) line(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.within {
		text = "\n" + text
	}
	_, _ = io.WriteString(w.out, text+"\n")
	w.within = false
}
