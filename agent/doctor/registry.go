package doctor

import (
	"context"
	"fmt"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
)

// probeRegistry asks for the rights that a push takes.
func probeRegistry(ctx context.Context, p *target) answer {
	who := "without a credential"
	findings, err := p.doctor.Credentials.Explain(ctx, p.image)
	if err != nil {
		return failing(fault.ClassRegistry, err)
	}
	for _, f := range findings {
		if f.Verdict == registry.Used || f.Verdict == registry.ForPushes {
			who = "with the credential of " + f.Source
			if f.Username != "" {
				who = fmt.Sprintf("as %s, %s", f.Username, who)
			}
			break
		}
	}
	for _, push := range []bool{false, true} {
		if err := p.doctor.Registry.Check(ctx, p.name, push); err != nil {
			return failing(fault.ClassRegistry, fmt.Errorf("%s: %w", who, err))
		}
	}
	return fine("pull and push are allowed, %s", who)
}
