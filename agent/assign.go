package agent

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// claim is what one node of a builder can build for.
type claim struct {
	node string
	// declared are the platforms of the definition, normalized.
	declared []ocispecs.Platform
	// reported are those that the node's buildkitd names; nil until asked.
	reported []ocispecs.Platform
}

// job is the part of a build that one node does.
type job struct {
	node      int // index in the definition
	platforms []ocispecs.Platform
}

// agentPlatform is what a build without --platform is for, if a node claims
// it, as with docker buildx: the machine the command runs on.
func agentPlatform() ocispecs.Platform {
	return platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// assign gives every wanted platform to the first node that claims it. It is
// strict: what no node claims is in missing, and never given to a node that
// would have to emulate it. With nothing wanted it is one job: for the agent's
// own platform where a node claims it, else for what the first node claims
// first.
func assign(want []ocispecs.Platform, claims []claim) (jobs []job, missing []ocispecs.Platform) {
	if len(want) == 0 {
		return []job{defaultJob(claims)}, nil
	}
	byNode := make(map[int]int, len(claims)) // node -> index in jobs
	for _, p := range want {
		node := slices.IndexFunc(claims, func(c claim) bool { return c.has(p) })
		if node < 0 {
			missing = append(missing, p)
			continue
		}
		at, ok := byNode[node]
		if !ok {
			at = len(jobs)
			byNode[node] = at
			jobs = append(jobs, job{node: node})
		}
		jobs[at].platforms = append(jobs[at].platforms, p)
	}
	return jobs, missing
}

func defaultJob(claims []claim) job {
	own := agentPlatform()
	for i, c := range claims {
		if c.has(own) {
			return job{node: i, platforms: []ocispecs.Platform{own}}
		}
	}
	if first := claims[0].all(); len(first) > 0 {
		return job{node: 0, platforms: first[:1]}
	}
	// The first node declares nothing and was not asked: its buildkitd builds
	// for the machine it runs on.
	return job{node: 0}
}

// all is what the node is for: what the definition says, else what buildkitd
// reports.
func (c claim) all() []ocispecs.Platform {
	if len(c.declared) > 0 {
		return c.declared
	}
	return c.reported
}

// has says whether the node builds for p without being asked to emulate.
func (c claim) has(p ocispecs.Platform) bool {
	if len(c.declared) == 0 {
		return contains(c.reported, p)
	}
	return contains(c.declared, p) || (c.native(p) && contains(c.reported, p))
}

// mayHave says whether asking the node's buildkitd could show that it has p.
func (c claim) mayHave(p ocispecs.Platform) bool {
	return c.reported == nil && (len(c.declared) == 0 || c.native(p))
}

// native says whether a machine of a declared platform may run p by itself:
// another variant of the same architecture (amd64/v3), or an older one that
// the CPU still runs (386 on amd64, arm/v7 on arm64). Not every machine does,
// so what buildkitd reports decides.
func (c claim) native(p ocispecs.Platform) bool {
	return slices.ContainsFunc(c.declared, func(d ocispecs.Platform) bool {
		return d.OS == p.OS && d.Architecture == p.Architecture || platforms.Only(d).Match(p)
	})
}

func contains(list []ocispecs.Platform, p ocispecs.Platform) bool {
	return slices.ContainsFunc(list, func(q ocispecs.Platform) bool { return platforms.OnlyStrict(q).Match(p) })
}

// unclaimed is the error for platforms that no node builds for; it lists what
// there is.
type unclaimed struct {
	builder string
	missing []ocispecs.Platform
	claims  []claim
}

func (e *unclaimed) Error() string {
	return fmt.Sprintf("no node of builder %q builds for %s", e.builder, formatAll(e.missing))
}

// Hints implements the convention for errors that say what to do next.
func (e *unclaimed) Hints() []string {
	var hints []string
	for _, c := range e.claims {
		hints = append(hints, fmt.Sprintf("node %s builds for %s", c.node, formatAll(c.all())))
	}
	return append(hints, "add a node for it to the definition, or name the platform at a node that may emulate it")
}

func formatAll(list []ocispecs.Platform) string {
	if len(list) == 0 {
		return "nothing known"
	}
	return strings.Join(format(list), ", ")
}

func format(list []ocispecs.Platform) []string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = platforms.Format(p)
	}
	return names
}
