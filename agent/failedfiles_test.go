package agent

import (
	"errors"
	"testing"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/junit"
)

func TestLinesOfFailedFiles(t *testing.T) {
	for got, want := range map[string]string{
		placedLine(solve.FailedFiles{Path: "r/linux_arm64", Files: 12, Bytes: 34_000}): "--on-failure: 12 files (34kB) of the failed step in r/linux_arm64",
		placedLine(solve.FailedFiles{Path: "r", Files: 1, Bytes: 3}):                   "--on-failure: 1 file (3B) of the failed step in r",
		leftOutLine(solve.FailedFiles{}, "x"):                                          "--on-failure: x",
		leftOutLine(solve.FailedFiles{Platform: "linux/arm64"}, "x"):                   "--on-failure: linux/arm64: x",
		testsLine(solve.FailedFiles{Tests: junit.Report{Tests: 3}}):                    "0 of 3 tests failed",
		testsLine(solve.FailedFiles{Platform: "linux/arm64", Tests: junit.Report{
			Tests: 412, Failed: 17, Failures: []junit.Failure{{Name: "a.b", Message: "want 2"}},
		}}): "linux/arm64: 17 of 412 tests failed, first: a.b: want 2",
		testsLine(solve.FailedFiles{Tests: junit.Report{Tests: 4, Failed: 1, Failures: []junit.Failure{{Name: "a.b"}}}}): "1 of 4 tests failed, first: a.b",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestNotedError tests that what is known besides changes neither message, class nor hints.
func TestNotedError(t *testing.T) {
	failure := fault.With(fault.ClassBuild, &fault.Usage{Flag: "x", Problem: "y", Hint: "z"})
	err := fault.With(fault.ClassBuild, &notedError{failure, []string{"17 tests"}})
	if err.Error() != failure.Error() || fault.ClassOf(err) != fault.ClassBuild || len(fault.Hints(err)) != 1 {
		t.Errorf("%v, class %d, hints %q", err, fault.ClassOf(err), fault.Hints(err))
	}
	if notes := fault.Notes(err); len(notes) != 1 || notes[0] != "17 tests" || fault.Notes(errors.New("x")) != nil {
		t.Errorf("notes %q", notes)
	}
}

func TestFirstError(t *testing.T) {
	var e firstError
	first := errors.New("first")
	e.set(first)
	e.set(errors.New("second"))
	if got := e.get(); !errors.Is(got, first) {
		t.Errorf("%v is the first", got)
	}
}
