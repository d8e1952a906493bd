package solve

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"

	"github.com/slipway-build/slipway/agent/solve/output"
)

// TestWritten has a solve that sends a directory in two streams and a file.
func TestWritten(t *testing.T) {
	dir := t.TempDir()
	dest, tar := filepath.Join(dir, "out"), filepath.Join(dir, "out.tar")
	p := outputsOf(t, nil, dest, "type=tar,dest="+tar)
	d := newExportingDaemon(t, func(ctx context.Context, caller session.Caller) error {
		stream, err := filesync.CopyFileWriter(ctx, nil, 1, caller)
		if err != nil {
			return err
		}
		if _, err := stream.Write(tarball(t)); err != nil {
			return err
		}
		return errors.Join(stream.Close(),
			sending(virtual(nil, map[string]string{"d/": "", "d/a": "12345", "d/b": ""}))(ctx, caller),
			sending(virtual(nil, map[string]string{"d/": "", "d/c": "123"}))(ctx, caller))
	})
	must(t, solveWith(t, d, p), publish(t, p))
	want := []output.Written{{Type: "local", Dest: dest, Files: 3, Bytes: 8}, {Type: "tar", Dest: tar, Bytes: int64(len(tarball(t)))}}
	if diff := cmp.Diff(want, p.Written()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	must(t, p.Close())
}
