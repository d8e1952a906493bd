package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// pendingTimeout bounds the look for what is pending: it only adds a hint to a
// failure.
const pendingTimeout = 5 * time.Second

// Comparer compares a node's workload with its definition; *cluster.Client does.
type Comparer interface {
	Drift(ctx context.Context, node configmap.Node) (cluster.Drift, error)
}

// ExplainPending returns a failure of node with the hint, before all others, that
// the definition was changed where the failure can be mended and the running pods
// are not as it says yet. Without it, whoever has followed the other hints gets
// them once more. It returns err as it is where that is not so or not known.
func ExplainPending(ctx context.Context, client Comparer, node configmap.Node, err error) error {
	parts := fault.DefinitionParts(err)
	if len(parts) == 0 || node.Kubernetes == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pendingTimeout)
	defer cancel()
	drift, unknown := client.Drift(ctx, node)
	if unknown != nil {
		return err
	}
	if lines := linesAbout(drift.Lines, parts); len(lines) > 0 {
		return &pending{err, fmt.Sprintf("the definition of node %s has changes that its running pods do not have: %s; bring them up to date first: slipway up", node.Name, strings.Join(lines, "; "))}
	}
	if len(drift.OldPods) > 0 {
		return &pending{err, fmt.Sprintf("of node %s, pod %s is of an earlier definition, and its successor is not ready: slipway inspect says what that waits for; then try again", node.Name, strings.Join(drift.OldPods, ", "))}
	}
	return err
}

// linesAbout are the lines of a drift that are about one of the parts.
func linesAbout(lines []string, parts []fault.Part) []string {
	var out []string
	for _, line := range lines {
		if slices.ContainsFunc(parts, func(p fault.Part) bool { return isAbout(line, p) }) {
			out = append(out, line)
		}
	}
	return out
}

func isAbout(line string, part fault.Part) bool {
	field, _, _ := strings.Cut(line, ": ")
	switch part {
	case fault.PartFiles: // an agent without the right to read files knows their hash
		return strings.HasPrefix(line, "configmap ") || strings.HasPrefix(line, "secret ") || strings.HasPrefix(line, "spec hash")
	case fault.PartImage:
		return strings.HasSuffix(field, ".image")
	case fault.PartResources:
		return strings.Contains(field, ".resources") || strings.Contains(field, "olumes[") || strings.Contains(field, "olumeClaimTemplates")
	case fault.PartPod:
		return strings.HasPrefix(field, "spec.template.")
	}
	return false
}

// pending is a failure that changes of the definition explain which the cluster
// does not have yet.
type pending struct {
	error
	hint string
}

// Hints are what is pending, then those of the failure.
func (p *pending) Hints() []string { return append([]string{p.hint}, fault.Hints(p.error)...) }

// Unwrap returns the failure.
func (p *pending) Unwrap() error { return p.error }

// explainPending is ExplainPending with the client of the node.
func (c *Connector) explainPending(ctx context.Context, node configmap.Node, err error) error {
	if len(fault.DefinitionParts(err)) == 0 || node.Kubernetes == nil {
		return err
	}
	client, unknown := c.Client(node)
	if unknown != nil {
		return err
	}
	return ExplainPending(ctx, client, node, err)
}

// ExplainPending is the function of that name for the i-th node.
func (v *View) ExplainPending(ctx context.Context, i int, err error) error {
	return v.fleet.connector.explainPending(ctx, v.fleet.definition.Nodes[i], err)
}
