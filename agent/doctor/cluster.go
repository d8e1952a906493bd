package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/internal/fault"
)

func probeDefinition(_ context.Context, p *target) answer {
	if p.broken != nil {
		return failing(fault.ClassUsage, p.broken)
	}
	d := p.definition
	var names []string
	for _, n := range d.Nodes {
		names = append(names, n.Name)
	}
	if len(d.Warnings) > 0 {
		return warned(d.Warnings, "builder %q in %s has spellings that should be mended", d.Name, d.File)
	}
	return fine("builder %q in %s, driver %s, nodes %s", d.Name, d.File, d.Driver, strings.Join(names, ", "))
}

func probeIdentity(_ context.Context, p *target) answer {
	var err error
	if p.client, err = cluster.Connect(p.doctor.Access, p.kubeconfig, p.doctor.Log); err != nil {
		return failing(fault.ClassCluster, err)
	}
	id := p.client.Identity()
	return fine("%s, namespace %s, for %s", id, id.Namespace, id.Server)
}

func probeServer(ctx context.Context, p *target) answer {
	var err error
	if p.server, err = p.client.Hello(ctx); err != nil {
		return failing(fault.ClassCluster, err)
	}
	p.user, err = p.client.Whoami(ctx)
	switch {
	case fleet.IsReason(err, kube.ReasonUnauthorized):
		return failing(fault.ClassCluster, err)
	case err != nil: // servers before Kubernetes 1.28 do not tell
		return fine("Kubernetes %s, answers in %s", p.server.Version, short(p.server.Took))
	}
	return fine("Kubernetes %s, answers in %s, knows the identity as %s", p.server.Version, short(p.server.Took), p.user)
}

func probeRights(ctx context.Context, p *target) answer {
	client := p.within.client
	status, err := client.Status(ctx, p.node)
	if err != nil && !fleet.IsReason(err, kube.ReasonForbidden) {
		return failing(fault.ClassCluster, err)
	}
	known := err == nil
	maybe := !known && status.Name == ""
	rights, unknown := client.Rights(ctx, p.node, status, p.within.user)
	rights.Unseen = maybe
	if unknown != nil {
		return failing(fault.ClassCluster, unknown)
	}
	p.status, p.rights = status, rights
	if known && status.Exists && status.Replicas > 0 && !p.runs() {
		p.trouble, p.troubleErr = client.Trouble(ctx, p.node)
	}
	if len(rights.Lacking) == 0 && !known {
		return failing(fault.ClassCluster, err)
	}
	return judgeRights(rights, client.Namespace(p.node))
}

// judgeRights tells which rights are missing. The roles that hold them are for the
// end, where they are those of all nodes.
func judgeRights(rights cluster.Rights, namespace string) answer {
	roles := cluster.Roles(rights)
	switch {
	case len(rights.Lacking) > 0:
		hints := []string{"the roles that grant it, for all nodes at once: at the end, or slipway doctor --rbac"}
		if rights.Unseen {
			hints = append(hints, "whether the builder is there cannot be seen without these rights; the roles to create it can be left out if it is, or if somebody else makes it: slipway up")
		}
		all := slices.Concat(rights.Lacking, rights.Lesser)
		return answer{verdict: VerdictFailed, detail: fmt.Sprintf("in namespace %s it may not %s", namespace, strings.Join(all, ", ")), hints: hints, roles: roles, class: fault.ClassCluster}
	case len(rights.Lesser) > 0:
		a := warned([]string{"the roles that grant it, for all nodes at once: slipway doctor --rbac"}, "in namespace %s it may not %s; a build goes on without, slower or with fewer reasons", namespace, strings.Join(rights.Lesser, ", "))
		a.roles = roles
		return a
	}
	return fine("all %d that this takes in namespace %s", rights.Asked, namespace)
}

func probeClusterNodes(ctx context.Context, p *target) answer {
	places, err := p.within.client.Places(ctx, p.node)
	switch {
	case fleet.IsReason(err, kube.ReasonForbidden):
		return skipped("no right to list the cluster nodes, which no build needs")
	case fleet.IsReason(err, kube.ReasonDefinition):
		return failing(fault.ClassUsage, err)
	case err != nil:
		return failing(fault.ClassCluster, err)
	}
	return judgePlaces(places, fleet.FormatPlatforms(p.node.Platforms))
}

// judgePlaces tells which cluster nodes take the pods of a node that claims the
// platforms, which may be none: such a node builds for what its pods run on.
func judgePlaces(places cluster.Places, claimed []string) answer {
	purpose := ""
	if len(claimed) > 0 {
		purpose = " for " + strings.Join(claimed, ", ")
	}
	switch {
	case len(places.Fit) == 0:
		return warned([]string{
			"compare nodeselector and tolerations of the definition with the cluster nodes: kubectl get nodes --show-labels",
			"if an autoscaler makes cluster nodes for it on demand, this is as it should be",
		}, "no cluster node takes its pods%s: %s", purpose, strings.Join(places.Unfit, "; "))
	case !places.Native:
		return warned([]string{"set nodeselector=kubernetes.io/arch=ARCH, or expect slow emulation"},
			"none of the cluster nodes that take its pods is natively of %s: %s", strings.Join(claimed, ", "), strings.Join(places.Fit, ", "))
	}
	return fine("%d of %d take its pods%s: %s", len(places.Fit), len(places.Fit)+len(places.Unfit), purpose, strings.Join(places.Fit, ", "))
}

func probeQuota(ctx context.Context, p *target) answer {
	quota, err := p.within.client.Quota(ctx, p.node)
	switch {
	case fleet.IsReason(err, kube.ReasonForbidden):
		return skipped("no right to list the quotas, which no build needs")
	case err != nil:
		return failing(fault.ClassCluster, err)
	}
	return judgeQuota(quota, p.within.client.Namespace(p.node), p.runs())
}

// judgeQuota fails where a quota has no room for the first pod, and warns where
// it has none for another one.
func judgeQuota(quota cluster.Quota, namespace string, runs bool) answer {
	detail := strings.Join(quota.Exceeded, "; ")
	switch {
	case len(quota.Exceeded) > 0 && runs:
		return warned(cluster.QuotaHints(), "no room for one more pod: %s", detail)
	case len(quota.Exceeded) > 0:
		return answer{verdict: VerdictFailed, detail: detail, hints: cluster.QuotaHints(), class: fault.ClassCluster}
	case quota.Quotas == 0:
		return fine("namespace %s has none", namespace)
	}
	detail = fmt.Sprintf("room for one more pod in namespace %s (quotas: %d", namespace, quota.Quotas)
	if quota.Scoped > 0 {
		detail += fmt.Sprintf(", of which %d with scopes, not looked at", quota.Scoped)
	}
	return fine("%s)", detail)
}

// runs is true when a pod is ready, so that no other is needed.
func (p *target) runs() bool { return len(p.status.Usable) > 0 }

func probePolicy(ctx context.Context, p *target) answer {
	trial, err := p.within.client.Try(ctx, p.node)
	switch {
	case fleet.IsReason(err, kube.ReasonForbidden):
		return skipped("no right to create the workload, so it cannot be tried")
	case err != nil && p.runs():
		return doubt(err)
	case err != nil:
		return failing(fleet.ClassOf(err), err)
	case len(trial.Warnings) > 0:
		return warned(trial.Hints, "the API server takes the workload but warns: %s", strings.Join(trial.Warnings, "; "))
	case !trial.Pod:
		return fine("the API server takes the workload (no right to try its pod)")
	}
	return fine("the API server takes the workload and its pod")
}

func probeImage(ctx context.Context, p *target) answer {
	image := p.node.Kubernetes.Image
	switch {
	case p.runs():
		return fine("%s runs", image)
	case !p.status.Exists || p.status.Replicas == 0:
		return skipped("%s: not known before a pod wants it", image)
	}
	switch trouble := p.trouble; {
	case p.troubleErr != nil:
		return failing(fault.ClassCluster, p.troubleErr)
	case fleet.IsReason(trouble.Err, kube.ReasonImage):
		return failing(fault.ClassCluster, p.explain(ctx, trouble.Err))
	}
	return fine("no trouble with %s", image)
}

func probePods(ctx context.Context, p *target) answer {
	s := p.status
	name := fmt.Sprintf("%s %s in namespace %s", strings.ToLower(s.Kind), s.Name, s.Namespace)
	start := []string{"start it now: slipway up, or slipway doctor --up"}
	switch {
	case p.runs():
		if detail, hints := frail(s.Pods); detail != "" {
			return warned(hints, "%s: %d of %d ready, but %s", name, s.Ready, s.Replicas, detail)
		}
		return fine("%s: %d of %d ready", name, s.Ready, s.Replicas)
	case !s.Exists:
		return warned(start, "%s does not exist yet; the first build makes it", name)
	case s.Replicas == 0:
		return warned(start, "%s is scaled to zero; the first build wakes it", name)
	}
	switch trouble := p.trouble; {
	case p.troubleErr != nil:
		return failing(fault.ClassCluster, p.troubleErr)
	case fleet.IsReason(trouble.Err, kube.ReasonImage):
		return skipped("because of: image of %s", p.name)
	case trouble.Err != nil && trouble.MayHeal:
		return doubt(p.explain(ctx, trouble.Err))
	case trouble.Err != nil:
		return failing(fault.ClassCluster, p.explain(ctx, trouble.Err))
	}
	return warned([]string{"look again in a moment"}, "none is ready yet: %s", p.trouble.Waiting)
}

// explain says first of a trouble that the definition was changed since, if it
// was.
func (p *target) explain(ctx context.Context, err error) error {
	if p.within == nil { // its driver is remote
		return err
	}
	return fleet.ExplainPending(ctx, p.within.client, p.node, err)
}

// frail tells what of running pods will trouble builds.
func frail(pods []cluster.PodStatus) (detail string, hints []string) {
	var details []string
	for _, p := range pods {
		if p.OutOfMemory.IsZero() || p.Terminating {
			continue
		}
		limit := "the memory of its cluster node was used up, for it has no limit"
		hint := "set requests.memory in the definition, so that a cluster node with room is chosen"
		if p.MemoryLimit != "" {
			limit = "its limit is " + p.MemoryLimit
			hint = "raise limits.memory of the definition (and requests.memory with it), or let fewer steps run at once: max-parallelism of the worker in buildkitd.toml"
		}
		details = append(details, fmt.Sprintf("buildkitd in pod %s was ended for want of memory at %s: %s", p.Name, p.OutOfMemory.UTC().Format(time.RFC3339), limit))
		hints = append(hints, hint)
	}
	for _, p := range pods {
		if len(p.Beside) > 0 && p.Running && !p.Terminating {
			details = append(details, fmt.Sprintf("pod %s has a container beside buildkitd that holds it for the whole termination grace when it is to stop: %s", p.Name, strings.Join(p.Beside, ", ")))
			hints = append(hints, "have it injected as a native sidecar (an init container with restartPolicy Always), or not at all, see docs/rollouts.md")
			break // it is the same in all
		}
	}
	return strings.Join(details, "; "), slices.Compact(hints)
}

// maxBehind is how far clocks may be apart before certificates and tokens that
// were just made look as if they were of the future.
const maxBehind = 30 * time.Second

func probeClock(_ context.Context, p *target) answer {
	apart := p.server.Behind
	switch {
	case apart > maxBehind:
		return warned(clockHints(), "this machine's clock is %s behind that of the API server", apart.Round(time.Second))
	case apart < -maxBehind:
		return warned(clockHints(), "this machine's clock is %s ahead of that of the API server", (-apart).Round(time.Second))
	}
	return fine("agrees with that of the API server")
}

func clockHints() []string {
	return []string{"have the clocks set by NTP: certificates and tokens are valid from a time to a time"}
}

// short rounds a time of a network for people.
func short(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
