package main

import (
	"time"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/fleet"
)

// began is when the process was ready to run; what came before are the
// operating system and Go's runtime.
var began = time.Now()

// timingFlags are those of commands that can tell what takes them long.
type timingFlags struct {
	DebugTiming bool `env:"SLIPWAY_DEBUG_TIMING" help:"Print what the time was spent on: every step, and every request to the cluster and to the builders."`
}

// events returns the stream of a command's events, and what ends it. Where that was
// asked for, what the time was spent on is printed then.
func (f timingFlags) events(in *invocation) (stream *event.Stream, end func()) {
	stream = event.NewStream()
	if !f.DebugTiming {
		return stream, func() {}
	}
	timing := fleet.NewTiming(began)
	noted := stream.Subscribe("timing", timing)
	stream.Emitter().Since("read flags, definitions and where credentials stand", began)
	return stream, func() {
		err := noted.End()
		if err == nil {
			err = timing.Print(in.err)
		}
		if err != nil {
			in.log.Warn().Err(err).Msg("--debug-timing")
		}
	}
}
