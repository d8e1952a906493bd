package main

import (
	"time"

	"github.com/slipway-build/slipway/agent/fleet"
)

// began is when the process was ready to run; what came before are the
// operating system and Go's runtime.
var began = time.Now()

// timingFlags are those of commands that can tell what takes them long.
type timingFlags struct {
	DebugTiming bool `env:"SLIPWAY_DEBUG_TIMING" help:"Print what the time was spent on: every step, and every request to the cluster and to the builders."`
}

// timing returns where the time of a command is noted, and what prints it at
// the end. Nothing is noted unless it was asked for.
func (f timingFlags) timing(in *invocation) (timing *fleet.Timing, printed func()) {
	if !f.DebugTiming {
		return nil, func() {}
	}
	timing = fleet.NewTiming(began)
	timing.Since("read flags, definitions and where credentials stand", began)
	return timing, func() {
		if err := timing.Print(in.err); err != nil {
			in.log.Warn().Err(err).Msg("--debug-timing")
		}
	}
}
