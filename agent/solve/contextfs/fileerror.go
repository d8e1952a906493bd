package contextfs

import (
	"errors"
	"fmt"

	"github.com/slipway-build/slipway/internal/fault"
)

// ErrChanged is a file that is not what it was when it was listed or read
// before.
var ErrChanged = errors.New("it changed while it was sent")

// errNotText is a name or link target that BuildKit's protocol cannot carry.
var errNotText = errors.New("its name or the target of the link is not valid UTF-8, and BuildKit transfers no other")

// FileError is a file of a context that could not be sent as it was
// announced. The transfer has failed then, and the daemon keeps nothing of it.
type FileError struct {
	// path is absolute.
	path string
	err  error
}

// Error implements error.
func (e *FileError) Error() string {
	reason := fault.Cause(e.err)
	if errors.Is(e.err, ErrChanged) {
		reason = ErrChanged.Error()
	}
	return fmt.Sprintf("file %q of the build context: %s", e.path, reason)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *FileError) Hints() []string {
	if hint := fault.AgentHint(e.err); hint != "" {
		return []string{hint}
	}
	switch {
	case errors.Is(e.err, errNotText):
		return []string{"rename the file, or exclude it in .dockerignore"}
	case errors.Is(e.err, ErrChanged):
		return []string{"let whatever writes the file end before the build, or exclude the file in .dockerignore"}
	}
	return []string{"make the file readable for the user of the agent, or exclude it in .dockerignore"}
}
