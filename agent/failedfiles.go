package agent

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/agent/solve/onfailure"
)

// firstError keeps the first of several errors.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (e *firstError) set(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
}

func (e *firstError) get() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// placeFailedFiles lets the files of failed steps appear and says where they are. That
// they cannot be had is no failure of its own: the build has one.
func (w *work) placeFailedFiles(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	all, err := w.plan.PlaceFailedFiles(ctx)
	if err != nil {
		w.Log.Warn().Msg(err.Error())
		return
	}
	for _, one := range all {
		for _, line := range one.LeftOut {
			w.Log.Warn().Msg(leftOutLine(one, line))
		}
		if one.Files > 0 {
			w.Log.Info().Msg(placedLine(one))
		}
	}
}

// placedLine says where files of a failed step are.
func placedLine(f solve.FailedFiles) string {
	count := "1 file"
	if f.Files > 1 {
		count = fmt.Sprintf("%d files", f.Files)
	}
	return fmt.Sprintf("%s: %s (%s) of the failed step in %s", onfailure.Flag, count, units.HumanSize(float64(f.Bytes)), f.Path)
}

// leftOutLine says what is not among the files of a failed step.
func leftOutLine(f solve.FailedFiles, line string) string {
	if f.Platform != "" {
		line = f.Platform + ": " + line
	}
	return onfailure.Flag + ": " + line
}
