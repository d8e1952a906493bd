package judge

import (
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// Trouble is what keeps a node's pods from being ready.
type Trouble struct {
	// Waiting says what is waited for.
	Waiting string
	// Err is of type *kube.Error; nil while nothing is known to be wrong.
	Err error
	// MayHeal is true when the cluster is at work on it.
	MayHeal bool
}

// Once judges without the tolerance of a wait: one observation cannot tell
// whether a trouble lasts. The crashed container, if there is one, has a log
// that says more.
func Once(o Observation, grace time.Duration) (Trouble, *Crashed) {
	return troubleOf(examine(o, grace))
}

// troubleOf is the worst of the findings: what nobody is at work on goes
// before what may heal.
func troubleOf(findings []finding) (Trouble, *Crashed) {
	var trouble Trouble
	var words *Crashed
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.line)
		// A failed pull is tried again for ever, and rarely for good.
		mayHeal := f.tolerance == endless && f.reason != kube.ReasonImage
		if f.reason == "" || trouble.Err != nil && (mayHeal || !trouble.MayHeal) {
			continue
		}
		trouble.Err = &kube.Error{Reason: f.reason, Message: f.message, Advice: f.hints}
		trouble.MayHeal, words = mayHeal, f.crashed
	}
	trouble.Waiting = strings.Join(lines, "; ")
	return trouble, words
}
