package output

import (
	"errors"
	"sync"
)

// errStreamEnded answers a stream whose solve has ended.
var errStreamEnded = errors.New("the solve has ended")

// streams counts the streams of a solve that run, for an end that waits for
// them. The zero value is ready to use.
type streams struct {
	mu      sync.Mutex
	ended   bool
	running sync.WaitGroup
}

// begin counts one more stream, which calls done at its end. The error is
// errStreamEnded.
func (s *streams) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errStreamEnded
	}
	s.running.Add(1)
	return nil
}

func (s *streams) done() { s.running.Done() }

// end lets no more streams begin and returns when none runs any more.
func (s *streams) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.running.Wait()
}
