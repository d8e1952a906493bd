package solve

import "github.com/slipway-build/slipway/agent/solve/contextfs"

// Affinity identifies what is built: its context, wherever the agent has it,
// and its target. Builds of the same thing find their cache on the same pod.
func (p *Plan) Affinity() string {
	in := p.resolved()
	if in.SharedKey == "" { // standard input
		return contextfs.SharedKey(p.request.Target)
	}
	return contextfs.SharedKey(in.SharedKey, p.request.Target)
}
