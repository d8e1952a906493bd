package builders

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/configmap"
)

// nothingRuns is a builder none of whose nodes has a pod to ask.
type nothingRuns struct{ builder string }

func (e *nothingRuns) Error() string { return fmt.Sprintf("no pod of builder %q runs", e.builder) }

// Hints says how to start it.
func (e *nothingRuns) Hints() []string {
	return []string{"start it: slipway up " + e.builder}
}

// warnAbsent tells of a node whose cache could not be looked at: none, or one
// that a claim keeps.
func warnAbsent(log zerolog.Logger) func(configmap.Node) {
	return func(node configmap.Node) {
		log.Warn().Str("node", node.Name).Msg("no pod of it runs, so its cache is left out")
	}
}
