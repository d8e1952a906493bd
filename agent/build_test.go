package agent

import (
	"errors"
	"fmt"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestWorthAnotherSolve(t *testing.T) {
	lost := errors.New("lost the connection to buildkitd")
	for _, test := range []struct {
		name  string
		class fault.Class
		err   error
		want  bool
	}{
		{"lost", fault.ClassLost, lost, true},
		{"the build failed", fault.ClassBuild, errors.New("exit code 1"), false},
		{"cancelled", fault.ClassCancelled, lost, false},
		{"lost with the outputs received", fault.ClassLost, fmt.Errorf("pod a: %w", &afterSolve{lost}), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := worthAnotherSolve(test.class, test.err); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
	if !errors.Is(&afterSolve{lost}, lost) {
		t.Error("what was lost cannot be told")
	}
}
