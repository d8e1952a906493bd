package builders

import (
	"fmt"
	"slices"
	"time"

	"github.com/slipway-build/slipway/agent/cluster"
)

// podUse is what is known of how a pod is used.
type podUse struct {
	name string
	// running is true while its buildkitd runs, ready or not.
	running bool
	// silent is why a buildkitd that runs does not say what it does; empty if
	// it does.
	silent string
	// active counts its builds.
	active int
	// used is the later of when it became ready and when its last build ended.
	// The former counts because whoever woke it may only be about to build.
	used time.Time
}

// judgment is what is to become of a workload.
type judgment struct {
	act    bool
	reason string
}

func leave(format string, args ...any) judgment {
	return judgment{reason: fmt.Sprintf(format, args...)}
}

func act(format string, args ...any) judgment {
	return judgment{act: true, reason: fmt.Sprintf(format, args...)}
}

// mayIdle says whether the pods of a node have to be asked; if not, the
// judgment is final. idle is how long it may be idle, 0 for ever.
func mayIdle(is cluster.Status, idle time.Duration) (judgment, bool) {
	switch {
	case !is.Exists:
		return leave("there is no workload"), false
	case !is.Managed:
		return leave("it was made by others"), false
	case is.Replicas == 0:
		return leave("it is scaled to zero already"), false
	case idle == 0:
		return leave("its definition has no idleTimeout"), false
	}
	return judgment{}, true
}

// judgeIdle decides whether a node may sleep. All of its pods have to be idle:
// which of them goes when there are to be fewer is not for us to choose.
func judgeIdle(pods []podUse, idle time.Duration, now time.Time) judgment {
	used, why := lastUse(pods)
	switch {
	case why != "":
		return leave("%s", why)
	case !slices.ContainsFunc(pods, func(p podUse) bool { return p.running }):
		// Somebody may be waiting for the first of them.
		return leave("none of its pods runs yet")
	}
	if since := now.Sub(used); since < idle {
		return leave("used %s ago, and its idleTimeout is %s", ago(since), idle)
	}
	return act("idle for %s, longer than its idleTimeout of %s", ago(now.Sub(used)), idle)
}

// mayBeLeftOver says whether the pods of a workload that no definition names
// have to be asked; if not, the judgment is final.
func mayBeLeftOver(m cluster.Made, owners []string, older time.Duration, now time.Time) (judgment, bool) {
	switch {
	case m.Owner == "":
		return leave("no definition has it, and it has no owner"), false
	case !slices.Contains(owners, m.Owner):
		return leave("its owner is %s", m.Owner), false
	case now.Sub(m.Created) < older:
		return leave("no definition has it; it was made %s ago, and the limit is %s", ago(now.Sub(m.Created)), older), false
	}
	return judgment{}, true
}

// judgeLeftOver decides whether a workload that no definition names may go.
// Agents that started before the definition changed may still build on it.
func judgeLeftOver(pods []podUse, older time.Duration, now time.Time) judgment {
	used, why := lastUse(pods)
	if why != "" {
		return leave("no definition has it; %s", why)
	}
	if since := now.Sub(used); since < older {
		return leave("no definition has it; used %s ago, and the limit is %s", ago(since), older)
	}
	return act("no definition has it")
}

// lastUse is the last use of any pod that runs. why is set where one is in
// use, or where one does not tell.
func lastUse(pods []podUse) (last time.Time, why string) {
	builds := 0
	for _, p := range pods {
		builds += p.active
		if p.running && p.silent != "" {
			why = fmt.Sprintf("pod %s does not say whether builds run on it: %s", p.name, p.silent)
		}
		if p.running && p.used.After(last) {
			last = p.used
		}
	}
	switch {
	case builds == 1:
		return last, "a build runs on it"
	case builds > 1:
		return last, fmt.Sprintf("%d builds run on it", builds)
	}
	return last, why
}

// ago is a time span as messages have it. The clocks of cluster nodes may be
// ahead of this one.
func ago(d time.Duration) time.Duration { return max(d.Round(time.Second), 0) }
