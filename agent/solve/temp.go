package solve

import (
	"errors"
	"fmt"
	"os"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// tempHint says what to do where the directory for temporary files is of no use.
const tempHint = "set TMPDIR to a directory with room that can be written to"

// tempError is a directory for temporary files that cannot be written to, as in
// a container whose root is read-only.
type tempError struct{ err error }

func (e *tempError) Error() string { return "no temporary files can be made: " + e.err.Error() }
func (e *tempError) Unwrap() error { return e.err }

// tempDir is the directory for temporary files.
func tempDir() (string, error) {
	dir := os.TempDir()
	if err := target.WritableDir(dir); err != nil {
		return "", &tempError{err}
	}
	return dir, nil
}

// hintOf is what to do about an error while something is kept on the agent.
func hintOf(err error) string {
	if temp := (*tempError)(nil); errors.As(err, &temp) || full(err) {
		return tempHint
	}
	return fault.AgentHint(err)
}

// checkTemp refuses an output that is kept in a temporary file until it can be
// written, where there are none.
func (o Output) checkTemp() *fault.Usage {
	if _, err := tempDir(); err != nil {
		return o.mistake(fmt.Sprintf("it is kept in a file until all is built, and %s", err), tempHint)
	}
	return nil
}
