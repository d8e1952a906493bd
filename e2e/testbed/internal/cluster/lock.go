package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// Lock keeps two testbed commands from doing the same work at once. The kernel
// gives the lock back when its holder ends, however it ends. It lies in the
// cache, which no command removes.
func Lock(ctx context.Context, cache, work string, out *report.Reporter) (unlock func(), err error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	path := filepath.Join(cache, work+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	err = run.Poll(ctx, "another testbed command to finish", time.Hour, func(context.Context) (bool, string, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			out.Progress("waiting for another testbed command to finish")
			return false, "it holds " + path, nil
		}
		return err == nil, "", err
	})
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}
