package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// End asks the process to stop and kills it where it has not done so within
// grace. A process that is gone already is a success.
func End(ctx context.Context, id ID, grace time.Duration) error {
	// The handle pins the process (a pidfd), so the identity that is checked
	// next is that of the process that gets the signal, whatever happens to
	// the pid in between.
	process, err := os.FindProcess(id.PID)
	if err != nil {
		return nil // no such process is what End is for
	}
	defer func() { _ = process.Release() }()
	if !id.Alive() {
		return nil
	}
	if grace > 0 {
		if err := signal(process, syscall.SIGTERM); err != nil {
			return err
		}
		if gone(ctx, id, grace) == nil {
			return nil
		}
	}
	if err := signal(process, syscall.SIGKILL); err != nil {
		return err
	}
	return gone(ctx, id, 10*time.Second)
}

func gone(ctx context.Context, id ID, limit time.Duration) error {
	return run.Poll(ctx, fmt.Sprintf("process %d to end", id.PID), limit, func(context.Context) (bool, string, error) {
		return !id.Alive(), "it still runs", nil
	})
}

func signal(process *os.Process, s syscall.Signal) error {
	err := process.Signal(s)
	if err == nil || errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return fmt.Errorf("send %s to process %d: %w", s, process.Pid, err)
}
