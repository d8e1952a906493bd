package fleet

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// claim is what one node of a builder can build for.
type claim struct {
	node string
	// declared are the platforms of the definition, normalized.
	declared []ocispecs.Platform
	// reported are those that the node's buildkitd names; nil until asked.
	reported []ocispecs.Platform
}

// Job is the part of a build that one node does.
type Job struct {
	// Node is the index of the node in the definition.
	Node int
	// Platforms are normalized; none is for whatever the node builds by itself.
	Platforms []ocispecs.Platform
}

// agentPlatform is what a build without --platform is for, if a node claims
// it, as with docker buildx: the machine the command runs on.
func agentPlatform() ocispecs.Platform {
	return platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// Assign gives the wanted platforms to the nodes of a definition by what that
// says alone. A platform that no node declares is an error of class usage.
func Assign(d configmap.Definition, want []ocispecs.Platform) ([]Job, error) {
	claims := declared(d)
	jobs, missing := assign(want, claims)
	if len(missing) > 0 {
		return nil, fault.With(fault.ClassUsage, &unclaimed{builder: d.Name, missing: missing, claims: claims})
	}
	return jobs, nil
}

// Claimable fails, with class usage, when the definition alone shows that a
// wanted platform has no node.
func Claimable(d configmap.Definition, want []ocispecs.Platform) error {
	claims := declared(d)
	_, missing := assign(want, claims)
	for _, p := range missing {
		if !slices.ContainsFunc(claims, func(c claim) bool { return c.mayHave(p) }) {
			return fault.With(fault.ClassUsage, &unclaimed{builder: d.Name, missing: missing, claims: claims})
		}
	}
	return nil
}

func declared(d configmap.Definition) []claim {
	claims := make([]claim, len(d.Nodes))
	for i, n := range d.Nodes {
		claims[i] = claim{node: n.Name, declared: n.Platforms}
	}
	return claims
}

// assign gives every wanted platform to the first node that claims it. It is
// strict: what no node claims is in missing, and never given to a node that
// would have to emulate it. With nothing wanted it is one job: for the agent's
// own platform where a node claims it, else for what the first node claims
// first.
func assign(want []ocispecs.Platform, claims []claim) (jobs []Job, missing []ocispecs.Platform) {
	if len(want) == 0 {
		return []Job{defaultJob(claims)}, nil
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
			jobs = append(jobs, Job{Node: node})
		}
		jobs[at].Platforms = append(jobs[at].Platforms, p)
	}
	return jobs, missing
}

func defaultJob(claims []claim) Job {
	own := agentPlatform()
	for i, c := range claims {
		if c.has(own) {
			return Job{Node: i, Platforms: []ocispecs.Platform{own}}
		}
	}
	if first := claims[0].all(); len(first) > 0 {
		return Job{Node: 0, Platforms: first[:1]}
	}
	// The first node declares nothing and was not asked: its buildkitd builds
	// for the machine it runs on.
	return Job{Node: 0}
}

// BuildsFor returns the platforms that a node builds for: what the definition
// says, else what its buildkitd reports.
func BuildsFor(node configmap.Node, reported []ocispecs.Platform) []ocispecs.Platform {
	return claim{declared: node.Platforms, reported: reported}.all()
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
	return fmt.Sprintf("no node of builder %q builds for %s", e.builder, PlatformNames(e.missing))
}

// Hints implements the convention for errors that say what to do next.
func (e *unclaimed) Hints() []string {
	var hints []string
	for _, c := range e.claims {
		hints = append(hints, fmt.Sprintf("node %s builds for %s", c.node, PlatformNames(c.all())))
	}
	return append(hints, "add a node for it to the definition, or name the platform at a node that may emulate it")
}

// PlatformNames are the names of platforms as messages have them, "nothing
// known" without one.
func PlatformNames(list []ocispecs.Platform) string {
	if len(list) == 0 {
		return "nothing known"
	}
	return strings.Join(FormatPlatforms(list), ", ")
}

// FormatPlatforms returns the names of platforms, "linux/amd64".
func FormatPlatforms(list []ocispecs.Platform) []string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = platforms.Format(p)
	}
	return names
}
