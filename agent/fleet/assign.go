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
	// strict says that the node builds for nothing that it does not claim.
	strict bool
	// emulates says that the definition has emulators installed for the node.
	emulates bool
}

// Job is the part of a build that one node does.
type Job struct {
	// Node is the index of the node in the definition.
	Node int
	// Platforms are normalized; none is for whatever the node builds by itself.
	Platforms []ocispecs.Platform
	// Unclaimed are those of Platforms that no node claims: a step that runs for
	// one of them needs an emulator on the node.
	Unclaimed []ocispecs.Platform
}

// agentPlatform is what a build without --platform is for, if a node claims
// it, as with docker buildx: the machine the command runs on.
func agentPlatform() ocispecs.Platform {
	return platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// Assign gives the wanted platforms to the nodes of a definition by what that
// says alone. A platform that only a node's buildkitd could claim is an error of
// class usage, as is one that no node claims where all nodes are strict.
func Assign(d configmap.Definition, want []ocispecs.Platform) ([]Job, error) {
	claims := declared(d)
	jobs, missing := assign(want, claims)
	if len(missing) == 0 {
		return jobs, nil
	}
	if !anyMayHave(claims, missing) {
		if jobs, ok := assignAll(want, claims); ok {
			return jobs, nil
		}
	}
	return nil, fault.With(fault.ClassUsage, &unclaimed{builder: d.Name, missing: missing, claims: claims})
}

// Claimable fails, with class usage, when the definition alone shows that a
// wanted platform has no node.
func Claimable(d configmap.Definition, want []ocispecs.Platform) error {
	claims := declared(d)
	if _, ok := assignAll(want, claims); ok {
		return nil
	}
	_, missing := assign(want, claims)
	for _, p := range missing {
		if !anyMayHave(claims, []ocispecs.Platform{p}) {
			return fault.With(fault.ClassUsage, &unclaimed{builder: d.Name, missing: missing, claims: claims})
		}
	}
	return nil
}

func anyMayHave(claims []claim, list []ocispecs.Platform) bool {
	return slices.ContainsFunc(claims, func(c claim) bool { return slices.ContainsFunc(list, c.mayHave) })
}

func declared(d configmap.Definition) []claim {
	claims := make([]claim, len(d.Nodes))
	for i, n := range d.Nodes {
		claims[i] = claim{node: n.Name, declared: n.Platforms, strict: n.StrictPlatforms, emulates: n.Kubernetes != nil && n.Kubernetes.QEMU.Install}
	}
	return claims
}

// assign gives every wanted platform to the first node that claims it; what no
// node claims is in missing. With nothing wanted it is one job: for the agent's
// own platform where a node claims it, else for what the first node claims
// first.
func assign(want []ocispecs.Platform, claims []claim) (jobs []Job, missing []ocispecs.Platform) {
	if len(want) == 0 {
		return []Job{defaultJob(claims)}, nil
	}
	nodes := claimants(want, claims)
	for i, p := range want {
		if nodes[i] < 0 {
			missing = append(missing, p)
		}
	}
	return group(want, nodes), missing
}

// assignAll is assign, with all that no node claims given to one node, as docker
// buildx does. It is not ok when every node is strict.
func assignAll(want []ocispecs.Platform, claims []claim) (jobs []Job, ok bool) {
	jobs, missing := assign(want, claims)
	if len(missing) == 0 {
		return jobs, true
	}
	nodes := claimants(want, claims)
	chosen, best := -1, -1
	for _, i := range takers(nodes, claims) {
		if n := claims[i].emulated(missing); n > best {
			chosen, best = i, n
		}
	}
	if chosen < 0 {
		return nil, false
	}
	for i, node := range nodes {
		if node < 0 {
			nodes[i] = chosen
		}
	}
	jobs = group(want, nodes)
	for i := range jobs {
		if jobs[i].Node == chosen {
			jobs[i].Unclaimed = missing
		}
	}
	return jobs, true
}

// claimants returns for each wanted platform the first node that claims it, -1
// where none does.
func claimants(want []ocispecs.Platform, claims []claim) []int {
	nodes := make([]int, len(want))
	for i, p := range want {
		nodes[i] = slices.IndexFunc(claims, func(c claim) bool { return c.has(p) })
	}
	return nodes
}

// group makes the jobs of platforms whose nodes are known; -1 is for none.
func group(want []ocispecs.Platform, nodes []int) (jobs []Job) {
	byNode := map[int]int{} // node -> index in jobs
	for i, p := range want {
		if nodes[i] < 0 {
			continue
		}
		at, ok := byNode[nodes[i]]
		if !ok {
			at = len(jobs)
			byNode[nodes[i]] = at
			jobs = append(jobs, Job{Node: nodes[i]})
		}
		jobs[at].Platforms = append(jobs[at].Platforms, p)
	}
	return jobs
}

// takers are the nodes that may get the platforms that no node claims, the best
// first: those that build a part of the build anyway, then those that may have an
// emulator, else the first node. Others are left alone: a node that is asleep is not started for a
// platform for which nothing may ever run.
func takers(nodes []int, claims []claim) []int {
	var list []int
	add := func(fits func(i int) bool) {
		for i, c := range claims {
			if !c.strict && fits(i) && !slices.Contains(list, i) {
				list = append(list, i)
			}
		}
	}
	add(func(i int) bool { return slices.Contains(nodes, i) })
	add(func(i int) bool { return claims[i].emulates || len(claims[i].declared) == 0 })
	if len(list) == 0 {
		add(func(int) bool { return len(list) == 0 })
	}
	return list
}

// emulated counts the platforms that the node can run or emulate, as far as is
// known. Nothing runs for another operating system than Linux.
func (c claim) emulated(list []ocispecs.Platform) int {
	n := 0
	for _, p := range list {
		if contains(c.reported, p) || c.reported == nil && c.emulates && p.OS == "linux" {
			n++
		}
	}
	return n
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
	hints = append(hints, "add a node for it to the definition, or name the platform at a node that may emulate it")
	if slices.ContainsFunc(e.claims, func(c claim) bool { return c.strict }) {
		hints = append(hints, "platforms that no node claims are refused by --strict-platforms or strictPlatforms in the definition; without it one node builds for them, and what runs for them needs an emulator")
	}
	return hints
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
