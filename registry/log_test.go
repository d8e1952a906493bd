package registry

import (
	"bytes"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// logLines is a log that a test can read.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) lines(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

func (l *logLines) logger() zerolog.Logger { return zerolog.New(l) }
