package agent

import (
	"errors"
	"fmt"
	"testing"
)

func TestWorthAnotherSolve(t *testing.T) {
	lost := errors.New("lost the connection to buildkitd")
	for _, test := range []struct {
		name  string
		class Class
		err   error
		want  bool
	}{
		{"lost", ClassLost, lost, true},
		{"the build failed", ClassBuild, errors.New("exit code 1"), false},
		{"cancelled", ClassCancelled, lost, false},
		{"lost with the outputs received", ClassLost, fmt.Errorf("pod a: %w", &afterSolve{lost}), false},
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
