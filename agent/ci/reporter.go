package ci

import "github.com/slipway-build/slipway/agent/event"

// Reporter shows a build in the log of the CI system that runs it: a consumer of
// the build's events, which is closed when there are no more. What it writes into
// the log as a command of the system, such as the head of a section, must hold
// nothing of an event that has not passed package sanitize.
type Reporter interface {
	event.Closer
	event.Staller // a reporter around the display passes it on
}

// Reporter returns the reporter of the system that runs the job. plain is the
// display that prints line by line, which a reporter may add to or replace; where no
// system is known it is the reporter.
func (v Variables) Reporter(plain Reporter) Reporter {
	for _, s := range v.systems() {
		if s.identity() != (Identity{}) {
			return s.reporter(plain)
		}
	}
	return plain
}
