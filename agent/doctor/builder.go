package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// builder is what a buildkitd that was reached has told.
type builder struct {
	// answered is true when it has told anything, over any transport.
	answered     bool
	version      string
	platforms    string
	cache, inUse int64
	// counted is true when both are known; cacheErr is why they are not.
	counted  bool
	cacheErr error
}

// attempt is one transport that was tried.
type attempt struct {
	transport configmap.Transport
	speed     buildkit.Speed
	// slow says that buildkitd answers, or may answer, in more time than it was
	// given: a build would wait for it. It is empty for one that is not.
	slow string
	err  error
}

func (w attempt) String() string {
	switch {
	case w.err != nil:
		return fmt.Sprintf("%s: %v", w.transport, w.err)
	case w.slow != "" && w.speed.Latency == 0:
		return fmt.Sprintf("%s: slow: %s", w.transport, w.slow)
	case w.slow != "":
		return fmt.Sprintf("%s: slow: latency %s, the rest %s", w.transport, short(w.speed.Latency), w.slow)
	}
	return fmt.Sprintf("%s: latency %s, %s/s", w.transport, short(w.speed.Latency), units.HumanSize(w.speed.Rate))
}

// transportLimit bounds one transport. It is longer than a dial waits for a packet,
// so that what blocks it is named.
const transportLimit = 6 * time.Second

// probeTransport tries the transports one after the other: at once they would
// measure each other.
func probeTransport(ctx context.Context, p *target) answer {
	if p.node.Remote != nil {
		clients := &fleet.Clients{Access: p.doctor.Access, Log: p.doctor.Log}
		conn, err := clients.Connector().ConnectRemote(ctx, p.node)
		if err != nil {
			return failing(fault.ClassCluster, err)
		}
		w := p.try(ctx, func(ctx context.Context) (buildkit.Speed, error) { return p.examine(ctx, conn.Daemon) })
		return judgeRemote(p.node.Remote.Address, w)
	}
	if !p.runs() {
		return skipped("because no pod of %s is ready", p.name)
	}
	access := p.doctor.Access
	pod := p.status.Usable[0]
	var attempts []attempt
	for _, name := range transportsOf(cmp.Or(access.Transport, p.node.Kubernetes.Transport)) {
		access.Transport = name
		clients := &fleet.Clients{Access: access, Log: p.doctor.Log}
		w := p.try(ctx, func(ctx context.Context) (buildkit.Speed, error) { return p.tryTransport(ctx, clients, pod) })
		w.transport = name
		attempts = append(attempts, w)
	}
	return judgeAttempts(pod.Name, attempts, p.builder.answered)
}

// transportsOf are the transports that stand behind the one that is asked for.
func transportsOf(asked configmap.Transport) []configmap.Transport {
	if asked != "" && asked != configmap.TransportAuto {
		return []configmap.Transport{asked}
	}
	return []configmap.Transport{configmap.TransportDirect, configmap.TransportPortForward, configmap.TransportExec}
}

// try measures one transport within its limit.
func (p *target) try(ctx context.Context, measure func(context.Context) (buildkit.Speed, error)) attempt {
	limit := p.doctor.limit(transportLimit)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	speed, err := measure(limited)
	// A daemon that knows the deadline may be the first to say that it is over.
	// A dial that has waited for a packet in vain says more than that.
	explained := (*kube.Error)(nil)
	if err != nil && buildkit.TimedOut(err) && (limited.Err() != nil || !errors.As(err, &explained)) {
		return attempt{speed: speed, slow: tookLonger(limit)}
	}
	return attempt{speed: speed, err: err}
}

func judgeRemote(address string, w attempt) answer {
	w.transport = configmap.Transport(address)
	switch {
	case w.err != nil:
		return failing(fault.ClassCluster, w.err)
	case w.slow != "":
		return warned(slowHints(), "%s", w)
	}
	return fine("%s", w)
}

// slowHints are for a transport that is slow.
func slowHints() []string {
	return []string{"builds wait for it: look at the load of the cluster nodes of agent and builder (kubectl top nodes), and give the builder requests.cpu"}
}

func (p *target) tryTransport(ctx context.Context, clients *fleet.Clients, pod kube.Pod) (buildkit.Speed, error) {
	client, err := clients.Of(p.node)
	if err != nil {
		return buildkit.Speed{}, err
	}
	daemon, err := clients.Connector().ConnectPod(ctx, client, p.node, pod, func(string) {})
	if err != nil {
		return buildkit.Speed{}, err
	}
	return p.examine(ctx, daemon)
}

// examine measures a connection, keeps what the daemon tells and closes it.
func (p *target) examine(ctx context.Context, d *buildkit.Daemon) (buildkit.Speed, error) {
	p.builder.answered = true
	p.builder.version, p.builder.platforms = d.Version(), strings.Join(fleet.FormatPlatforms(d.Platforms()), ", ")
	speed, err := d.Measure(ctx)
	if err == nil && !p.builder.counted {
		p.builder.measureCache(ctx, d)
	}
	return speed, errors.Join(err, d.Close())
}

// measureCache asks once, over the first transport that works: each tells the same.
// What is left of its time bounds it.
func (b *builder) measureCache(ctx context.Context, d *buildkit.Daemon) {
	b.cache, b.inUse = 0, 0
	var records []buildkit.CacheRecord
	records, b.cacheErr = d.DiskUsage(ctx, buildkit.CacheFilter{})
	b.counted = b.cacheErr == nil
	for _, r := range records {
		b.cache += r.Size
		if r.InUse {
			b.inUse += r.Size
		}
	}
}

// judgeAttempts is ok when the fastest transport that the pod offers works, in
// time. answered says that buildkitd has told something over one of them.
func judgeAttempts(pod string, attempts []attempt, answered bool) answer {
	var words []string
	for _, w := range attempts {
		words = append(words, w.String())
	}
	detail := fmt.Sprintf("pod %s: %s", pod, strings.Join(words, "; "))
	works := slices.IndexFunc(attempts, func(w attempt) bool { return w.err == nil })
	if works < 0 {
		return answer{verdict: VerdictFailed, detail: detail, hints: firstHints(attempts), class: fault.ClassCluster}
	}
	if !answered {
		// Whether a build that waits longer would get an answer is not known.
		hints := append(firstHints(attempts), slowHints()...)
		hints = append(hints, "on a cluster that is known to be slow, give the checks more time with --slower=3")
		return answer{verdict: VerdictFailed, detail: "buildkitd did not answer in time: " + detail, hints: hints, class: fault.ClassCluster}
	}
	for _, w := range attempts[:works] {
		// A pod of buildx's offers exec and nothing else.
		if !fleet.IsReason(w.err, kube.ReasonTransport) {
			return warned(fault.Hints(w.err), "%s", detail)
		}
	}
	if attempts[works].slow != "" {
		return warned(slowHints(), "%s", detail)
	}
	return fine("%s", detail)
}

// firstHints are those of the fastest transport, which are about what to mend first.
func firstHints(attempts []attempt) []string { return fault.Hints(attempts[0].err) }

// advisory is a known fault of BuildKit.
type advisory struct{ fixed, name string }

// advisories are those whose fix is in a version that not everybody runs, of
// github.com/moby/buildkit in https://pkg.go.dev/vuln.
func advisories() []advisory {
	return []advisory{
		{"v0.28.1", "CVE-2026-33747"},
		{"v0.28.1", "CVE-2026-33748"},
		{"v0.31.1", "CVE-2026-61711"},
		{"v0.31.1", "CVE-2026-61712"},
	}
}

func probeBuildKit(_ context.Context, p *target) answer {
	if !p.builder.answered {
		return skipped("because buildkitd did not answer in time")
	}
	return judgeVersion(p.builder)
}

func judgeVersion(b builder) answer {
	own, err := version.ParseSemantic(b.version)
	if err != nil {
		return warned(nil, "version %q, of which no advisories are known here, for %s", b.version, b.platforms)
	}
	var open []string
	newest := own
	for _, a := range advisories() {
		if fixed := version.MustParseSemantic(a.fixed); own.LessThan(fixed) {
			open = append(open, a.name)
			if newest.LessThan(fixed) {
				newest = fixed
			}
		}
	}
	if len(open) > 0 {
		return warned([]string{fmt.Sprintf("set the driver-opt image= to BuildKit v%s or later", newest)}, "%s has known faults: %s", b.version, strings.Join(open, ", "))
	}
	return fine("%s for %s", b.version, b.platforms)
}

func probeCache(_ context.Context, p *target) answer {
	switch {
	case p.builder.cacheErr != nil && buildkit.TimedOut(p.builder.cacheErr):
		// The connection was measured first, which is what the time went on.
		return warned(slowHints(), "its size is not known: buildkitd did not answer in the time that was left after its connection was measured")
	case p.builder.cacheErr != nil:
		return doubt(p.builder.cacheErr)
	case !p.builder.counted:
		return skipped("because no connection was fast enough to ask for it")
	}
	return fine("%s in the builder, %s of it in use", units.HumanSize(float64(p.builder.cache)), units.HumanSize(float64(p.builder.inUse)))
}

// leastSpace is what a workspace should have for outputs and metadata, in
// bytes.
const leastSpace = 1 << 30

func probeWorkspace(_ context.Context, p *target) answer {
	var disk unix.Statfs_t
	if err := unix.Statfs(p.doctor.Workspace, &disk); err != nil {
		return doubt(fmt.Errorf("look at the disk of %s: %w", p.doctor.Workspace, err))
	}
	free := disk.Bavail * uint64(disk.Bsize)
	if free < leastSpace {
		return warned([]string{"outputs to files need room: clear the agent's disk or give its volume more"}, "%s has %s free", p.doctor.Workspace, units.HumanSize(float64(free)))
	}
	return fine("%s has %s free", p.doctor.Workspace, units.HumanSize(float64(free)))
}
