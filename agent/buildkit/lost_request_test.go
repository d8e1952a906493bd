package buildkit

import (
	"context"
	"errors"
	"testing"
)

// TestExplainRequest has what is said of a request that is no build and that
// its caller ended.
func TestExplainRequest(t *testing.T) {
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("signal: terminated"))
	refused := errors.New("refused")
	for _, tt := range []struct {
		name string
		ctx  context.Context
		want string
	}{
		{"out of time", over, "ask buildkitd for its cache: not finished within its time limit"},
		{"stopped", stopped, "ask buildkitd for its cache: cancelled: signal: terminated"},
		{"failed", t.Context(), "ask buildkitd for its cache: refused"},
	} {
		err := explainRequest(tt.ctx, "ask buildkitd for its cache", refused)
		if err.Error() != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, err, tt.want)
		}
		if ended := tt.ctx.Err() != nil; errors.As(err, new(*CancelledError)) != ended || TimedOut(err) != (tt.ctx == over) || errors.Is(err, context.Canceled) != (tt.ctx == stopped) {
			t.Errorf("%s: not told apart: %v", tt.name, err)
		}
	}
	if err := Explain(over, refused); err.Error() != "the build was cancelled: context deadline exceeded" {
		t.Errorf("a build: %v", err)
	}
}
