package solve

import (
	"errors"

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
