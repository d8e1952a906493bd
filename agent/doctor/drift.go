package doctor

import (
	"context"
	"strings"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
)

// probeDrift compares the workload with its definition. A build goes on with
// what there is unless it is told not to.
func probeDrift(ctx context.Context, p *target) answer {
	drift, err := p.within.client.Drift(ctx, p.node)
	switch {
	case fleet.IsReason(err, kube.ReasonForbidden):
		return skipped("no right to compare the workload with its definition")
	case err != nil:
		return doubt(err)
	case !p.status.Exists && len(drift.Lines) == 0:
		return skipped("%s: there is nothing to compare with the definition", p.name)
	}
	return judgeDrift(drift)
}

// judgeDrift claims no more than what was compared.
func judgeDrift(drift cluster.Drift) answer {
	switch {
	case len(drift.Lines) > 0 && drift.Partial != "":
		return warned(driftHints(), "%s\nmore may differ: it cannot be compared fully %s", strings.Join(drift.Lines, "\n"), drift.Partial)
	case len(drift.Lines) > 0:
		return warned(driftHints(), "%s", strings.Join(drift.Lines, "\n"))
	case len(drift.OldPods) > 0:
		return warned([]string{"its successor is not ready yet: slipway inspect says what it waits for"}, "the workload is as the definition says, but pod %s is of an earlier one", strings.Join(drift.OldPods, ", "))
	case drift.Partial != "":
		return skipped("the workload cannot be compared fully %s; what could be compared is as the definition says", drift.Partial)
	}
	return fine("the workload is as the definition says")
}

func driftHints() []string { return []string{"bring it up to date: slipway up"} }
