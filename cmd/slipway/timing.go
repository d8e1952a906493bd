package main

import (
	"time"

	"github.com/slipway-build/slipway/agent"
)

// began is when the process was ready to run; what came before are the
// operating system and Go's runtime.
var began = time.Now()

// timingFlags are those of commands that can tell what takes them long.
type timingFlags struct {
	DebugTiming bool `env:"SLIPWAY_DEBUG_TIMING" help:"Print what the time was spent on: every step, and every request to the cluster and to the builders."`
}

// ledger returns where the time of a command is noted, and what prints it at
// the end. Nothing is noted unless it was asked for.
func (f timingFlags) ledger(in *invocation) (ledger *agent.Ledger, printed func()) {
	if !f.DebugTiming {
		return nil, func() {}
	}
	ledger = agent.NewLedger(began)
	ledger.Since("read flags, definitions and where credentials stand", began)
	return ledger, func() {
		if err := ledger.Print(in.err); err != nil {
			in.log.Warn().Err(err).Msg("--debug-timing")
		}
	}
}
