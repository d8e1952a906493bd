package contextfs_test

import (
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

// Test that a file which changes is the build's fault, and one that cannot be
// sent the user's.
func TestFileErrorsAreClassified(t *testing.T) {
	for _, tt := range []struct {
		err  error
		kind solve.Kind
	}{
		{contextfs.ErrChanged, solve.KindBuild},
		{fmt.Errorf("%w: %w", contextfs.ErrChanged, fs.ErrNotExist), solve.KindBuild},
		{contextfs.ErrNotText, solve.KindUsage},
		{fs.ErrPermission, solve.KindUsage},
		{&fs.PathError{Op: "open", Path: "d", Err: syscall.EMFILE}, solve.KindUsage},
		{&fs.PathError{Op: "open", Path: "d", Err: syscall.EIO}, solve.KindUsage},
	} {
		if kind := solve.Classify(contextfs.NewFileError("f", tt.err)); kind != tt.kind {
			t.Errorf("%v is %s, want %s", tt.err, kind, tt.kind)
		}
	}
}
