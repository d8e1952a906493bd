package scenarios

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/faults/netfault"
	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

var (
	chaosLength = flag.Duration("chaos.length", 10*time.Minute, "how long faults are planted at random")
	chaosSeed   = flag.Uint64("chaos.seed", 0, "which faults are planted; 0 for others each time")
)

// TestFaultChaos lets 50 agents build for ten minutes, with a fault every ten
// seconds.
func TestFaultChaos(t *testing.T) {
	long(t) // no other scenario runs meanwhile
	chaos{agents: 50, pods: 4, replicas: 3, length: *chaosLength, every: 10 * time.Second}.run(t)
}

// TestFaultChaosForAMoment is the same, smaller.
func TestFaultChaosForAMoment(t *testing.T) {
	long(t)
	t.Parallel()
	chaos{agents: 6, pods: 2, replicas: 2, length: 20 * time.Second, every: 4 * time.Second}.run(t)
}

// chaos is how much of it there is.
type chaos struct {
	agents, pods, replicas int
	length, every          time.Duration
}

// upheaval is chaos on its way.
type upheaval struct {
	chaos
	*space
	*planted
	proxy  *proxy.Proxy
	images *registrytest.Client
	agents []*chaosAgent
	random *rand.Rand

	mu    sync.Mutex
	ended map[int]int // builds by exit code
	said  []string    // what was planted
}

// chaosAgent is one of several that build in a pod.
type chaosAgent struct {
	*agent
	dir string

	mu         sync.Mutex
	terminated bool // the build that runs was sent SIGTERM
}

func (c chaos) run(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test -chaos.seed=%d repeats the faults", seed)
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", fmt.Sprintf("replicas=%d", c.replicas))
	n.Flags = []string{"--debugaddr=" + debugAddress}
	u := &upheaval{chaos: c, space: s, proxy: s.pushing(n), random: rand.New(rand.NewPCG(seed, 0)), ended: map[int]int{}}
	images, err := registrytest.New(s.Bed.Registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(images.Close)
	u.images = images
	for i := range c.pods {
		a := s.startAgent(fmt.Sprintf("agent-%d", i), s.Bed.Images.Agent)
		a.mayPush(u.proxy)
		for j := i; j < c.agents; j += c.pods {
			u.agents = append(u.agents, &chaosAgent{agent: a, dir: fmt.Sprintf("a%d", j)})
		}
	}
	first := u.agents[0]
	first.ok("slipway up --min-ready=" + fmt.Sprint(c.replicas) + " >&2 && mkdir warm && printf 'FROM base\\n' > warm/Dockerfile && slipway build " + first.base() + "-o type=cacheonly warm")
	u.kubectl("", "create", "configmap", "bystander")
	bystander := u.bystander()
	before := u.footprint()

	u.planted = plant(t, "chaos", fmt.Sprintf("%d agents for %s, a fault every %s", c.agents, c.length, c.every))
	over, stop := context.WithTimeout(t.Context(), c.length)
	defer stop()
	var building sync.WaitGroup
	for _, a := range u.agents {
		building.Go(func() { u.buildUntil(over, a) })
	}
	u.plantUntil(over)
	building.Wait()
	u.proxy.Clear()

	u.report()
	u.held(foreignTouched, u.bystander() == bystander, "an object that is nobody's has changed")
	u.leftovers(before)
}

// bystander is what the API server says of an object that is nobody's.
func (u *upheaval) bystander() string {
	u.space.t.Helper()
	return u.kubectl("", "get", "configmap", "bystander", "-o", "jsonpath={.metadata.resourceVersion}")
}

// builderPods are the pods of the builder that run.
func (u *upheaval) builderPods() []string {
	out, err := u.Run(context.WithoutCancel(u.space.t.Context()), "", "get", "pods", "--selector=app=builder-amd64", "--field-selector=status.phase=Running",
		"--sort-by=.metadata.name", "-o", `jsonpath={range .items[*]}{.metadata.name}={.status.podIP}{"\n"}{end}`)
	if err != nil {
		u.space.t.Error(err)
	}
	return strings.Fields(out)
}

// debugAddress is where a buildkitd tells of its goroutines.
const debugAddress = "127.0.0.1:6060"

// footprint is the most that a buildkitd of several has of something.
type footprint struct{ files, goroutines, kib int }

func (u *upheaval) footprint() footprint {
	var most footprint
	for _, pod := range u.builderPods() {
		name, _, _ := strings.Cut(pod, "=")
		for _, process := range u.processes(name, "buildkitd") {
			files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", process.Pid))
			if err != nil {
				continue // it has ended meanwhile
			}
			most.files = max(most.files, len(files))
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Pid))
			_, memory, _ := strings.Cut(string(status), "VmRSS:")
			var kib, goroutines int
			_, _ = fmt.Sscan(memory, &kib)
			most.kib = max(most.kib, kib)
			out, err := u.Run(context.WithoutCancel(u.space.t.Context()), "", "exec", name, "--", "wget", "-qO-", "http://"+debugAddress+"/debug/pprof/goroutine?debug=1")
			if _, scanErr := fmt.Sscanf(out, "goroutine profile: total %d", &goroutines); err != nil || scanErr != nil {
				continue // the same
			}
			most.goroutines = max(most.goroutines, goroutines)
		}
	}
	return most
}

// buildUntil lets an agent build one thing after the other.
func (u *upheaval) buildUntil(over context.Context, a *chaosAgent) {
	for i := 0; over.Err() == nil; i++ {
		u.build(a, fmt.Sprintf("%s-%d", a.dir, i), i%3 == 2) //nolint:contextcheck // it ends with the test, not with the chaos
	}
}

// build builds what has a word in it that nobody else's build has, into a file
// or into the registry, and judges how that ends.
func (u *upheaval) build(a *chaosAgent, word string, push bool) {
	t := u.planted.t
	output := "-o out"
	if push {
		output = "-t " + u.proxy.Registry().Address + "/" + u.Name + ":" + word + " --push"
	}
	script := fmt.Sprintf(`mkdir -p %[1]s && cd %[1]s && rm -rf out
printf 'FROM base AS make\nRUN echo %[2]s > /file && sleep 1\nFROM scratch\nLABEL word=%[2]s\nCOPY --from=make /file /\n' > Dockerfile
slipway build --progress plain %[3]s %[4]s . & echo $! > pid; wait $!; code=$?; rm pid
cat out/file; exit $code`, a.dir, word, a.base(), output)
	// The end of the chaos must not end a build.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience)
	defer cancel()
	r, err := a.run(ctx, script)
	a.mu.Lock()
	terminated := a.terminated
	a.terminated = false
	a.mu.Unlock()
	u.held(hang, ctx.Err() == nil, "%s: not ended within %s", word, 2*patience)
	if err != nil {
		t.Errorf("%s: %v", word, err)
		return
	}
	u.mu.Lock()
	u.ended[r.Code]++
	u.mu.Unlock()

	_, tagged := u.images.Exists(context.WithoutCancel(t.Context()), u.Name+":"+word)
	if tagged != nil {
		t.Errorf("%s: look at its tag: %v", word, tagged)
	}
	switch {
	case r.Code == 0 && push:
		image, err := u.images.Image(context.WithoutCancel(t.Context()), u.Name+":"+word, "linux/amd64")
		if err != nil {
			u.held(halfMovedTag, false, "%s: %v", word, err)
			return
		}
		config, err := image.ConfigFile()
		u.held(halfMovedTag, err == nil && config.Config.Labels["word"] == word, "%s: the tag has another image: %v", word, err)
	case r.Code == 0:
		u.held(partialOutput, r.Stdout == word+"\n", "%s: the output is %q", word, r.Stdout)
	default:
		u.held(partialOutput, r.Stdout == "", "%s: it failed and there is an output: %q", word, r.Stdout)
		codes := []int{3, 4, 5}
		if terminated {
			codes = append(codes, 143)
		}
		if !slices.Contains(codes, r.Code) || !strings.Contains(r.Stderr, "error: ") {
			t.Errorf("%s: exit %d, want one of %v with its reason:\n%s", word, r.Code, codes, r.Stderr)
		}
	}
}

// plantUntil plants a fault at random, and the next one after a while.
func (u *upheaval) plantUntil(over context.Context) {
	tick := time.NewTicker(u.every)
	defer tick.Stop()
	uploads := regexp.MustCompile(`/blobs/uploads/`)
	faults := []struct {
		name  string
		plant func(pod, ip string)
	}{
		{"a builder's pod is deleted", func(pod, _ string) { //nolint:contextcheck // it ends with the test, not with the chaos
			u.kubectlCleanup("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false", "--ignore-not-found")
		}},
		{"the connections to a builder are cut", func(_, ip string) { u.cut(over, ip) }},
		{"the registry answers 503", func(string, string) {
			u.proxy.Add(proxy.Rule{Times: 8, Fault: proxy.Status(http.StatusServiceUnavailable, nil)})
		}},
		{"the registry cuts uploads", func(string, string) {
			u.proxy.Add(proxy.Rule{Path: uploads, Times: 3, Fault: proxy.CutRequest(10)})
		}},
		{"an agent gets SIGTERM", func(string, string) { u.terminate() }}, //nolint:contextcheck // it ends with the test, not with the chaos
		{"a buildkitd is killed", func(pod, _ string) { //nolint:contextcheck // it ends with the test, not with the chaos
			for _, process := range u.processes(pod, "buildkitd") {
				_ = process.Kill() // it may have ended meanwhile
			}
		}},
		{"a builder's network is slow", func(_, ip string) { u.slow(over, ip) }},
	}
	for {
		select {
		case <-over.Done():
			return
		case <-tick.C:
		}
		// The numbers are drawn in any case, so that a seed means the same.
		fault, which := faults[u.random.IntN(len(faults))], u.random.IntN(1<<30)
		pods := u.builderPods() //nolint:contextcheck // it ends with the test, not with the chaos
		if len(pods) == 0 {
			u.said = append(u.said, "nothing: no builder runs")
			continue
		}
		pod, ip, _ := strings.Cut(pods[which%len(pods)], "=")
		u.said = append(u.said, fault.name)
		fault.plant(pod, ip)
	}
}

// cut answers the next packets to a builder as if it knew of no connection.
func (u *upheaval) cut(over context.Context, ip string) {
	unblock := u.block("-d", ip, "--dport", "1234", "-j", "REJECT", "--reject-with", "tcp-reset") //nolint:contextcheck // it ends with the test, not with the chaos
	defer unblock()
	moment, cancel := context.WithTimeout(over, time.Second)
	defer cancel()
	<-moment.Done()
}

// slow delays a builder's packets until the next fault.
func (u *upheaval) slow(over context.Context, ip string) {
	link, err := netfault.Attach(context.WithoutCancel(over), ip, 1)
	if err != nil {
		u.planted.t.Error(err)
		return
	}
	link.Both(netfault.Conditions{Delay: 100 * time.Millisecond, Loss: 0.01})
	moment, cancel := context.WithTimeout(over, u.every/2)
	defer cancel()
	<-moment.Done()
	if err := link.Close(); err != nil { //nolint:contextcheck // it ends with the test, not with the chaos
		u.planted.t.Error(err)
	}
}

// terminate sends SIGTERM to a build.
func (u *upheaval) terminate() {
	a := u.agents[u.random.IntN(len(u.agents))]
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.planted.t.Context()), patience)
	defer cancel()
	r, err := a.run(ctx, "kill -TERM $(cat "+a.dir+"/pid)")
	if err != nil {
		u.planted.t.Error(err)
	}
	a.terminated = a.terminated || r.Code == 0
}

// report says how the builds ended.
func (u *upheaval) report() {
	t := u.planted.t
	total := 0
	for _, n := range u.ended {
		total += n
	}
	t.Logf("builds by exit code: %v; faults: %s", u.ended, strings.Join(u.said, ", "))
	if u.ended[0] == 0 || len(u.said) < int(u.length/u.every)/2 {
		t.Errorf("%d builds succeeded, %d faults were planted: that tells nothing", u.ended[0], len(u.said))
	}
	u.planted.ended(fmt.Sprintf("%d builds, %d faults: %d done, all others explained", total, len(u.said), u.ended[0]))
}

// leftovers looks for what builds have left behind, in agents and builders.
func (u *upheaval) leftovers(before footprint) {
	for _, a := range u.agents[:u.pods] { // one in each pod
		r := a.sh("ps -o comm | grep slipway; ls -d */.slipway-staging-* .slipway-staging-* /tmp/slipway* 2>/dev/null")
		u.held(leak, r.stdout == "", "in pod %s: %s", a.pod, r.stdout)
	}
	// Twice what an idle one has, and some more for connections of probes.
	var after footprint
	little := func() bool { return after.files <= 2*before.files+20 && after.goroutines <= 2*before.goroutines+50 }
	u.eventually("buildkitd closes its files", func() bool {
		after = u.footprint()
		return after.goroutines > 0 && little()
	})
	u.held(leak, little(), "a buildkitd has %+v, before it had %+v", after, before)
	u.planted.t.Logf("buildkitd before %+v, after %+v", before, after)
}
