package target

import (
	"errors"
	"os"
	"syscall"
)

// TempHint says what to do where the directory for temporary files is of no use.
const TempHint = "set TMPDIR to a directory with room that can be written to"

// TempError is a directory for temporary files that cannot be written to, as in
// a container whose root is read-only.
type TempError struct {
	// Err says why.
	Err error
}

// Error implements error.
func (e *TempError) Error() string { return "no temporary files can be made: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *TempError) Unwrap() error { return e.Err }

// TempPath is the directory for temporary files, whether it is there or not: TMPDIR
// decides it for the whole process.
func TempPath() string { return os.TempDir() }

// TempDir is the directory for temporary files. The error is a *TempError.
func TempDir() (string, error) {
	dir := TempPath()
	if err := WritableDir(dir); err != nil {
		return "", &TempError{err}
	}
	return dir, nil
}

// IsFull reports whether the error is a disk without room, or a quota.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
