package sidecar

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

// lines counts the lines of a log that have a word.
type lines struct {
	mu   sync.Mutex
	word string
	n    int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += strings.Count(string(p), l.word)
	return len(p), nil
}

// TestTenThousandConnections tests that who connects without end fills neither the memory
// nor the log, and that a place is free again afterwards.
func TestTenThousandConnections(t *testing.T) {
	log := &lines{word: "others are refused"}
	r := start(t, func(s *Sidecar) {
		s.MaxConnections = 100
		s.Log = zerolog.New(log)
	})
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			var held []net.Conn
			for range 1000 {
				conn, err := net.Dial("unix", filepath.Join(r.dir, "kube", "amd64.sock"))
				if err != nil {
					continue // the queue of the kernel is full
				}
				if held = append(held, conn); len(held) > 50 { // others are closed, so that files suffice
					_ = held[0].Close()
					held = held[1:]
				}
			}
			for _, conn := range held {
				_ = conn.Close()
			}
		})
	}
	all.Wait()
	eventually(t, "a place", func() bool {
		daemon, err := r.connect(t)
		if err == nil {
			_ = daemon.Close()
		}
		return err == nil
	})
	log.mu.Lock()
	defer log.mu.Unlock()
	if log.n < 1 || log.n > 10 {
		t.Errorf("%d lines say that connections are refused", log.n)
	}
}
