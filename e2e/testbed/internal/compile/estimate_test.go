package compile

import (
	"testing"
	"time"
)

func TestEstimate(t *testing.T) {
	e := NewEstimate(map[string]int64{"big": 3*minimum - minimum, "small": 0})
	if e.Packages() != 2 || e.Seen() != 0 {
		t.Errorf("%d of %d at the start, want 0 of 2", e.Seen(), e.Packages())
	}
	if _, ok := e.Left(time.Minute); ok {
		t.Error("an estimate before anything was compiled")
	}
	e.Begin("unknown")
	e.Begin("big")
	e.Begin("big")
	if e.Packages() != 2 || e.Seen() != 1 {
		t.Errorf("%d of %d after one, want 1 of 2", e.Seen(), e.Packages())
	}
	if _, ok := e.Left(time.Second); ok {
		t.Error("an estimate after one second")
	}
	if left, ok := e.Left(time.Minute); !ok || left != 20*time.Second {
		t.Errorf("left = %v, %v; want 20s: a quarter of the source after three quarters took a minute", left, ok)
	}
	e.Begin("small")
	if left, ok := e.Left(time.Minute); !ok || left != 0 {
		t.Errorf("left = %v, %v after all; want 0", left, ok)
	}
}
