package solve

import (
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
)

// explainStep gives a step that failed its reason, where the agent knows more of it
// than the builder says.
func (p *Plan) explainStep(err error, s *steps, d *buildkit.Daemon, of job.Job) error {
	if Classify(err) != KindBuild {
		return err
	}
	return explainImage(explainSource(explainEmulator(err, s, of, d.Platforms()), p.request, p.inputs))
}
