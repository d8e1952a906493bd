// Package logtest is a log that tests can read.
package logtest

import (
	"bytes"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// Lines is a log in memory. The zero value is empty and ready to use, by several
// goroutines at a time.
type Lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Count is how often part was logged.
func (l *Lines) Count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

// Logger writes to the log.
func (l *Lines) Logger() zerolog.Logger { return zerolog.New(l) }

// String is all that was logged.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
