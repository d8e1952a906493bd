package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/slipway-build/slipway/e2e/kubectl"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// work is one row: the same work done by both tools, as shell commands in the
// agent pod.
type work struct {
	name string
	// slipway and buildx are the commands. An empty one is work that buildx
	// refuses.
	slipway, buildx string
	// before is a shell command that clears the way, not counted.
	before string
	// cold removes the workloads before each run, not counted.
	cold bool
	runs int
}

// rig is an agent pod with both tools, each with builders of its own in a
// namespace of its own.
type rig struct{ kubectl.Namespace }

// pod is the agent's name.
const pod = "agent"

func bench(ctx context.Context, runs, cold int, wanted *regexp.Regexp) (err error) {
	bed, err := state.Load()
	if err != nil {
		return err
	}
	if bed.Images.Peer == "" {
		return errors.New("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	r := &rig{kubectl.Namespace{Bed: bed, Name: fmt.Sprintf("bench-%d", time.Now().Unix())}}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_, cleanErr := r.Run(clean, "", "delete", "namespace", r.Name, "--wait=false")
		err = errors.Join(err, cleanErr)
	}()
	if err := r.setUp(ctx); err != nil {
		return err
	}
	const (
		local = " --progress=plain --output=type=local,dest=/tmp/out /bench/context"
		one   = "--platform=linux/amd64"
		two   = "--platform=linux/amd64,linux/arm64"
	)
	rows := []work{
		{name: "start-up (`version`)", slipway: "slipway version", buildx: "buildx version", runs: runs},
		{name: "cold start, one node: no workload to first small build done, image present", slipway: "slipway build " + one + local, buildx: "buildx build " + one + local, cold: true, runs: cold},
		{name: "warm, fully cached build over exec, one node, local output", slipway: "slipway build " + one + local, buildx: "buildx build " + one + local, runs: runs},
		{name: "warm, fully cached build over exec, two nodes, local output", slipway: "slipway build " + two + local, buildx: "buildx build " + two + local, runs: runs},
	}
	for _, output := range []string{"local", "tar", "oci"} {
		command := func(platforms string) string {
			return " build " + platforms + " --progress=plain --output=type=" + output + ",dest=/bench/out --build-context=base=oci-layout://" +
				bed.Base.InAgent + ":" + bed.Base.Tag + " /bench/big"
		}
		single := work{name: "1 GiB, one node, " + output + " output over exec", slipway: "slipway" + command(one), buildx: "buildx" + command(one), before: "rm -rf /bench/out", runs: cold}
		double := work{name: "1 GiB for each of two nodes, " + output + " output over exec", slipway: "slipway" + command(two), buildx: "buildx" + command(two), before: "rm -rf /bench/out", runs: cold}
		if output != "local" {
			double.buildx = ""
		}
		rows = append(rows, single, double)
	}
	fmt.Printf("machine: %d CPUs, %s/%s\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	if err := r.sizes(ctx); err != nil {
		return err
	}
	fmt.Println(header)
	for _, w := range rows {
		if !wanted.MatchString(w.name) {
			continue
		}
		slipway, buildx, err := r.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		fmt.Println(row(w.name, slipway, buildx))
	}
	return nil
}

// measure runs both tools in turn, after one run of each that does not count.
func (r *rig) measure(ctx context.Context, w work) (slipway, buildx []sample, err error) {
	for i := range w.runs + 1 {
		for _, tool := range []struct {
			command string
			into    *[]sample
		}{{w.slipway, &slipway}, {w.buildx, &buildx}} {
			if tool.command == "" {
				continue
			}
			if w.cold {
				if _, err := r.Run(ctx, "", "delete", "deployments", "--all", "--cascade=foreground", "--wait=true"); err != nil {
					return nil, nil, err
				}
			}
			if w.before != "" {
				if _, err := r.sh(ctx, w.before); err != nil {
					return nil, nil, err
				}
			}
			out, err := r.sh(ctx, "/tmp/timer -- "+tool.command)
			if err != nil {
				return nil, nil, err
			}
			var s sample
			if err := json.Unmarshal([]byte(out), &s); err != nil {
				return nil, nil, fmt.Errorf("read %q: %w", out, err)
			}
			if i > 0 {
				*tool.into = append(*tool.into, s)
			}
		}
	}
	return slipway, buildx, nil
}

func (r *rig) sizes(ctx context.Context) error {
	out, err := r.sh(ctx, "for tool in slipway buildx; do wc -c < $(which $tool); done")
	if err != nil {
		return err
	}
	var slipway, buildx float64
	if _, err := fmt.Sscan(out, &slipway, &buildx); err != nil {
		return fmt.Errorf("read sizes %q: %w", out, err)
	}
	fmt.Printf("binary: slipway %.1f MB, buildx %.1f MB\n\n", slipway/1e6, buildx/1e6)
	return nil
}

// setUp makes the namespace, gives the agent the rights of the demo, defines
// the same builders for both tools and starts the pod.
func (r *rig) setUp(ctx context.Context) error {
	_, here, _, _ := runtime.Caller(0)
	timer := filepath.Join(os.TempDir(), fmt.Sprintf("slipway-bench-timer-%d", os.Getpid()))
	defer func() { _ = os.Remove(timer) }()
	build := exec.CommandContext(ctx, "go", "build", "-o", timer, "./timer")
	build.Dir = filepath.Dir(here)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the timer: %w: %s", err, out)
	}
	program, err := os.ReadFile(timer)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"create", "namespace", r.Name}},
		{"", []string{"create", "rolebinding", "agent", "--clusterrole=cluster-admin", "--serviceaccount=" + r.Name + ":default"}},
		{r.manifest(), []string{"create", "-f", "-"}},
		{"", []string{"wait", "pod/" + pod, "--for=condition=Ready", "--timeout=2m"}},
	} {
		if _, err := r.Run(ctx, step.stdin, step.args...); err != nil {
			return err
		}
	}
	if err := r.WriteFile(ctx, pod, "/tmp/timer", string(program)); err != nil {
		return err
	}
	_, err = r.sh(ctx, "chmod +x /tmp/timer && "+r.authoring())
	return err
}

// authoring lets buildx write the instance file, without starting anything,
// and gives Slipway the very same file: each tool then creates the workloads
// in its own way.
func (r *rig) authoring() string {
	node := func(arch, more string) string {
		return fmt.Sprintf("buildx create --name=kube --driver=kubernetes --platform=linux/%[1]s --node=builder-%[1]s "+
			"--driver-opt=namespace=%[2]s,image=%[3]s,nodeselector=kubernetes.io/arch=%[1]s %[4]s && ", arch, r.Name, r.Bed.Images.BuildKit, more)
	}
	return node("amd64", "") + node("arm64", "--append") + `buildx use kube
mkdir -p /bench/context && cd /bench/context && printf 'FROM scratch\nCOPY file /\n' > Dockerfile && echo small > file
mkdir -p /bench/big && cd /bench/big && printf 'FROM base AS make\nRUN head -c 1073741824 /dev/urandom > /big\nFROM scratch\nCOPY --from=make /big /\n' > Dockerfile`
}

func (r *rig) manifest() string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: agent
      image: %s
      command: [sleep, infinity]
      volumeMounts: [{name: bench, mountPath: /bench}]
  volumes: [{name: bench, emptyDir: {}}]
`, pod, r.Bed.Images.Peer)
}

// sh runs a script in the agent, which must succeed.
func (r *rig) sh(ctx context.Context, script string) (string, error) {
	result, err := r.Shell(ctx, pod, script)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("%s: exit %d: %s%s", script, result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout, err
}
