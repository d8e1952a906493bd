package solve

import (
	"errors"
	"fmt"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// hintOf is what to do about an error while something is kept on the agent.
func hintOf(err error) string {
	if temp := (*target.TempError)(nil); errors.As(err, &temp) || target.IsFull(err) {
		return target.TempHint
	}
	return fault.AgentHint(err)
}

// checkTemp refuses an output that is kept in a temporary file until it can be
// written, where there are none.
func (o Output) checkTemp() *fault.Usage {
	if _, err := target.TempDir(); err != nil {
		return o.mistake(fmt.Sprintf("it is kept in a file until all is built, and %s", err), target.TempHint)
	}
	return nil
}
