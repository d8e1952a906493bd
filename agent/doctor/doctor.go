package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/judge"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// Verdict is how a check ended. The words are an interface to scripts.
type Verdict string

// The verdicts. A warning does not keep a build from succeeding; a check that
// was skipped says nothing either way.
const (
	// VerdictOK: nothing is wrong.
	VerdictOK Verdict = "ok"
	// VerdictWarning: a build succeeds all the same.
	VerdictWarning Verdict = "warning"
	// VerdictFailed: a build would fail.
	VerdictFailed Verdict = "failed"
	// VerdictSkipped: what it needs has failed.
	VerdictSkipped Verdict = "skipped"
)

// Check is what one probe has found about one thing. The JSON keys are an
// interface to scripts.
type Check struct {
	// Probe is the name of the probe, as in "rights"; "summary" in the last check of
	// the list, which says what all of them come to.
	Probe string `json:"probe"`
	// About is the node, the image or the kubeconfig that it is about; absent
	// for the whole.
	About string `json:"about,omitempty"`
	// Verdict is how the check ended.
	Verdict Verdict `json:"verdict"`
	// Detail says what was found. It may have several lines.
	Detail string `json:"detail"`
	// Hints say what to do about it, as those of errors do.
	Hints []string `json:"hints"`
	// Roles is YAML of the roles that hold the rights that are missing here, and
	// of their bindings; in the summary those of all nodes.
	Roles string `json:"roles,omitempty"`

	class fault.Class // of a failure
}

// Doctor looks for what would keep a build from succeeding. It changes nothing.
type Doctor struct {
	// Definition reads the definition of the builder; its error is the first
	// thing that the doctor tells.
	Definition func() (configmap.Definition, error)
	Access     cluster.Access
	// Images are repositories that are to be pushed to.
	Images []registry.Request
	// Registry and Credentials are for Images.
	Registry    *remote.Client
	Credentials registry.Watched
	// Workspace is the directory whose disk is looked at.
	Workspace string
	// Slower multiplies the time that each probe may take, for clusters that
	// are known to be slow; less than 1 counts as 1.
	Slower float64
	// Reporter is told what is found as it is found; it may be nil.
	Reporter Reporter
	Log      zerolog.Logger
}

// Reporter is told what a Doctor finds while it still looks.
type Reporter interface {
	// Plan gets all checks to come, without verdicts, in their order. It is
	// called once, first.
	Plan([]Check)
	// Report gets a check when it and all before it have ended.
	Report(Check)
}

// limit is a probe's usual time as this doctor allows it.
func (d *Doctor) limit(usual time.Duration) time.Duration {
	return time.Duration(float64(usual) * max(d.Slower, 1))
}

// Run runs all probes, at the same time where they do not need each other, and
// returns what they found in the order of the table. The error names all
// failures and has the Class of the first; nil when there are warnings only.
func (d Doctor) Run(ctx context.Context) ([]Check, error) {
	definition, err := d.Definition()
	checks, roles := d.run(ctx, d.plan(definition, err))
	if ctx.Err() != nil {
		return checks, fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	return checks, failure(checks, roles)
}

// Roles returns YAML of the roles that hold all rights that a build lacks, of all
// nodes, and of their bindings; empty where it lacks none. It changes nothing. The
// error is that of the first check that fails for another reason.
func (d Doctor) Roles(ctx context.Context) (string, error) {
	definition, err := d.Definition()
	// What rights need comes before them in the table.
	runs := slices.DeleteFunc(d.plan(definition, err), func(v *probeRun) bool {
		return !slices.Contains([]string{probeOfRights, "definition", "identity", "API server"}, v.probe.name)
	})
	checks, roles := d.run(ctx, runs)
	if ctx.Err() != nil {
		return "", fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	for _, c := range checks {
		if c.Verdict == VerdictFailed && c.Roles == "" {
			return "", fault.With(c.class, &unready{message: c.name() + ": " + c.Detail, hints: c.Hints})
		}
	}
	return roles, nil
}

// run runs probes and returns what they have found, and all roles that are missing.
func (d Doctor) run(ctx context.Context, runs []*probeRun) (checks []Check, roles string) {
	checks = make([]Check, len(runs))
	for i, v := range runs {
		checks[i] = v.title()
	}
	if d.Reporter != nil {
		d.Reporter.Plan(slices.Clone(checks))
	}
	var running sync.WaitGroup
	for _, v := range runs {
		running.Go(fault.Protect(func() {
			defer close(v.done)
			v.check = v.run(ctx)
		}))
	}
	for i, v := range runs {
		<-v.done
		checks[i] = v.check
		if d.Reporter != nil && ctx.Err() == nil {
			d.Reporter.Report(v.check)
		}
	}
	running.Wait()
	var lacking []cluster.Rights
	for _, v := range runs {
		if v.probe.name == probeOfRights {
			lacking = append(lacking, v.at.rights)
		}
	}
	return checks, cluster.Roles(lacking...)
}

// failure is the error that names all checks that failed, nil if none did. roles
// are those that are missing of all nodes: one round of them is enough.
func failure(checks []Check, roles string) error {
	failed := withVerdict(checks, VerdictFailed)
	if len(failed) == 0 {
		return nil
	}
	err := &unready{message: fmt.Sprintf("not ready to build: %s failed, of %d checks", names(failed), len(checks))}
	if slices.ContainsFunc(failed, func(c Check) bool { return c.Roles != "" }) {
		err.roles = roles
		err.hints = []string{"whoever administers the cluster can grant all rights that are missing with kubectl apply -f - and this, which slipway doctor --rbac prints alone:\n" + roles}
	}
	return fault.With(failed[0].class, err)
}

// unready is the error of a builder that no build can use.
type unready struct {
	message string
	hints   []string
	roles   string // YAML of all roles that are missing
}

// Error implements error.
func (e *unready) Error() string { return e.message }

// Hints say what to do about all of it.
func (e *unready) Hints() []string { return e.hints }

// Summary is what the result of Run comes to, as one more check for programs: the
// line that people get last, of the worst verdict. A check that was skipped since
// another has failed does not make it worse.
func Summary(checks []Check, err error) Check {
	s := Check{Probe: "summary", Verdict: VerdictOK, Detail: Ready(checks)}
	switch {
	case fault.ClassOf(err) == fault.ClassCancelled:
		s.Verdict, s.Detail = VerdictSkipped, "the doctor was stopped"
	case err != nil:
		s.Verdict, s.Detail, s.Hints = VerdictFailed, err.Error(), fault.Hints(err)
	case len(withVerdict(checks, VerdictWarning)) > 0:
		s.Verdict = VerdictWarning
	}
	if of := (*unready)(nil); errors.As(err, &of) {
		s.Roles = of.roles
	}
	return s
}

// Ready says in one line how the checks ended that found nothing by which a
// build would fail.
func Ready(checks []Check) string {
	warnings := withVerdict(checks, VerdictWarning)
	switch len(warnings) {
	case 0:
		return "ready to build"
	case 1:
		return "ready to build, with a warning: " + names(warnings)
	}
	return fmt.Sprintf("ready to build, with %d warnings: %s", len(warnings), names(warnings))
}

func withVerdict(checks []Check, verdict Verdict) []Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return c.Verdict != verdict })
}

// names are the names of checks in a list.
func names(checks []Check) string {
	all := make([]string, len(checks))
	for i, c := range checks {
		all[i] = c.name()
	}
	return strings.Join(all, ", ")
}

// name is how messages call the check.
func (c Check) name() string {
	if c.About == "" {
		return c.Probe
	}
	return c.Probe + " of " + c.About
}

// probeRun is one probe at one thing.
type probeRun struct {
	probe probe
	at    *target
	needs []*probeRun
	check Check
	done  chan struct{} // closed when check is there
}

// title is the check before there is a verdict.
func (v *probeRun) title() Check { return Check{Probe: v.probe.name, About: v.at.name} }

// run waits for what the probe needs and runs it, within the probe's limit.
func (v *probeRun) run(ctx context.Context) Check {
	c := v.title()
	for _, n := range v.needs {
		<-n.done // each ends within its own limit
		if n.check.Verdict == VerdictFailed || n.check.Verdict == VerdictSkipped {
			c.Verdict, c.Detail = VerdictSkipped, "because of: "+n.check.name()
			return c
		}
	}
	limit := v.at.doctor.limit(v.probe.limit)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a := v.probe.check(limited, v.at)
	switch {
	case ctx.Err() != nil && a.verdict != VerdictOK:
		// That the doctor was stopped is no finding.
		a = skipped("because the doctor was stopped")
	case a.late:
		a.detail = tookLonger(limit)
	}
	c.Verdict, c.Detail, c.Hints, c.Roles, c.class = a.verdict, a.detail, a.hints, a.roles, a.class
	return c
}

// target is one thing that probes look at, with what they have found out for
// those that need them. A field is written by one probe only, and read by
// those that wait for it.
type target struct {
	doctor *Doctor
	scope  scope
	name   string
	// within is the cluster of a node.
	within *target

	definition configmap.Definition // of the whole
	broken     error                // of the whole: why there is no definition
	image      registry.Request     // of an image

	node configmap.Node // of a node
	// kubeconfig is the definition's, of a cluster.
	kubeconfig string

	client *cluster.Client // of a cluster, by identity
	server cluster.Server  // of a cluster, by API server
	user   string          // of a cluster, by API server

	status     cluster.Status // of a node, by rights
	rights     cluster.Rights // of a node, by rights
	trouble    judge.Trouble  // of a node without a ready pod, by rights
	troubleErr error          // of a node, by rights: why trouble is not known
	builder    builder        // of a node, by transport
}

// scope tells what a probe looks at.
type scope int

const (
	ofWhole   scope = iota
	ofCluster       // each identity that nodes are reached with
	ofNode
	ofImage
)

// plan pairs the probes with what there is to look at.
func (d *Doctor) plan(definition configmap.Definition, broken error) []*probeRun {
	targets := d.targets(definition, broken)
	var all []*probeRun
	for _, p := range probes() {
		for _, at := range targets {
			if at.scope != p.at || at.node.Remote != nil && !p.remote {
				continue
			}
			v := &probeRun{probe: p, at: at, done: make(chan struct{})}
			for _, earlier := range all {
				if earlier.concerns(at) && slices.Contains(p.needs, earlier.probe.name) {
					v.needs = append(v.needs, earlier)
				}
			}
			all = append(all, v)
		}
	}
	return all
}

// concerns is true when what the probe finds holds for at, too.
func (v *probeRun) concerns(at *target) bool {
	return v.at == at || v.at == at.within || v.at.scope == ofWhole
}

// targets are the whole, the clusters, the nodes and the images. Without a
// definition there is one nameless node, whose probes are skipped.
func (d *Doctor) targets(definition configmap.Definition, broken error) []*target {
	all := []*target{{doctor: d, scope: ofWhole, definition: definition, broken: broken}}
	nodes := definition.Nodes
	if broken != nil {
		nodes = []configmap.Node{{Kubernetes: &configmap.Kubernetes{}}}
	}
	clusters := map[string]*target{}
	for _, n := range nodes {
		if n.Kubernetes == nil || clusters[n.Kubernetes.Kubeconfig] != nil {
			continue
		}
		c := &target{doctor: d, scope: ofCluster, kubeconfig: n.Kubernetes.Kubeconfig}
		if len(clusters) > 0 {
			c.name = c.kubeconfig
		}
		clusters[c.kubeconfig] = c
		all = append(all, c)
	}
	for _, n := range nodes {
		at := &target{doctor: d, scope: ofNode, name: n.Name, node: n}
		if n.Kubernetes != nil {
			at.within = clusters[n.Kubernetes.Kubeconfig]
		}
		all = append(all, at)
	}
	for _, r := range d.Images {
		all = append(all, &target{doctor: d, scope: ofImage, name: r.Host + "/" + r.Repository, image: r})
	}
	return all
}

// answer is what a probe says.
type answer struct {
	verdict Verdict
	detail  string
	hints   []string
	// roles are YAML, where rights are missing.
	roles string
	class fault.Class
	// late is true when the answer did not come within the probe's limit.
	late bool
}

func fine(format string, args ...any) answer {
	return answer{verdict: VerdictOK, detail: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) answer {
	return answer{verdict: VerdictSkipped, detail: fmt.Sprintf(format, args...)}
}

func warned(hints []string, format string, args ...any) answer {
	return answer{verdict: VerdictWarning, detail: fmt.Sprintf(format, args...), hints: hints}
}

// failing is for an error that keeps a build from succeeding.
func failing(class fault.Class, err error) answer {
	class = cmp.Or(fault.ClassOf(err), class)
	return answer{verdict: VerdictFailed, detail: sanitize.RedactURLs(err.Error()), hints: fault.Hints(err), class: class, late: buildkit.TimedOut(err)}
}

// doubt is failing where a build may succeed all the same.
func doubt(err error) answer {
	return answer{verdict: VerdictWarning, detail: sanitize.RedactURLs(err.Error()), hints: fault.Hints(err), late: buildkit.TimedOut(err)}
}

// tookLonger says of something slow that it was slow, and whether this machine
// may be why: in a pod its load is that of the cluster node.
func tookLonger(limit time.Duration) string {
	text := fmt.Sprintf("took longer than %s", limit.Round(100*time.Millisecond))
	raw, err := os.ReadFile("/proc/loadavg") // there is none outside of Linux
	if err != nil {
		return text
	}
	return text + busyWords(string(raw), runtime.NumCPU())
}

// busyWords names a load, as /proc/loadavg has it, of more than twice the cores.
func busyWords(loadavg string, cores int) string {
	one, _, _ := strings.Cut(loadavg, " ")
	if load, err := strconv.ParseFloat(one, 64); err == nil && load > 2*float64(cores) {
		return fmt.Sprintf("; the cluster node of this agent is busy: load %.0f on %d cores", load, cores)
	}
	return ""
}

const (
	shortLimit = 5 * time.Second
	// longLimit is for registries, and for a first connection to a cluster: it
	// is longer than a dial, so that what does not answer is named.
	longLimit = 12 * time.Second
	// transportsLimit has room for every transport, and for the list of the cache.
	transportsLimit = 3*transportLimit + shortLimit + time.Second
)
