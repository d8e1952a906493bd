package agent

import "fmt"

// nothingRuns is a builder none of whose nodes has a pod to ask.
type nothingRuns struct{ builder string }

func (e *nothingRuns) Error() string { return fmt.Sprintf("no pod of builder %q runs", e.builder) }

// Hints says how to start it.
func (e *nothingRuns) Hints() []string {
	return []string{"start it: slipway up " + e.builder}
}
