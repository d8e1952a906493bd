package doctor

import (
	"context"
	"strings"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
)

// probeDrift compares the workload with its definition. A build goes on with
// what there is unless it is told not to.
func probeDrift(ctx context.Context, p *target) answer {
	lines, err := p.within.client.Drift(ctx, p.node)
	switch {
	case fleet.IsReason(err, kube.ReasonForbidden):
		return skipped("no right to compare the workload with its definition")
	case err != nil:
		return doubt(err)
	case len(lines) > 0:
		return warned([]string{"bring it up to date: slipway up"}, "%s", strings.Join(lines, "\n"))
	case !p.status.Exists:
		return skipped("%s: there is nothing to compare with the definition", p.name)
	}
	return fine("the workload is as the definition says")
}
