package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// work is one row: the same work done by both tools, as shell commands in the
// agent pod.
type work struct {
	name            string
	slipway, buildx string
	// cold removes the workloads before each run, not counted.
	cold bool
	runs int
}

// rig is an agent pod with both tools, each with builders of its own in a
// namespace of its own.
type rig struct {
	bed       state.State
	namespace string
}

func bench(ctx context.Context, runs, cold int) (err error) {
	bed, err := state.Load()
	if err != nil {
		return err
	}
	if bed.Images.Peer == "" {
		return errors.New("there is no peer image; make it with: cd e2e && go run ./testbed peer")
	}
	r := &rig{bed: bed, namespace: fmt.Sprintf("bench-%d", time.Now().Unix())}
	defer func() {
		clean, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, cleanErr := r.kubectl(clean, "", "delete", "namespace", r.namespace, "--wait=false")
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
	fmt.Printf("machine: %d CPUs, %s/%s\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	if err := r.sizes(ctx); err != nil {
		return err
	}
	fmt.Println(header)
	for _, w := range rows {
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
			if w.cold {
				if _, err := r.kubectl(ctx, "", "delete", "deployments", "--all", "--cascade=foreground", "--wait=true"); err != nil {
					return nil, nil, err
				}
			}
			out, err := r.sh(ctx, "/tmp/timer -- "+tool.command)
			if err != nil {
				return nil, nil, fmt.Errorf("%w: %s", err, out)
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
		return fmt.Errorf("%w: %s", err, out)
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
		{"", []string{"create", "namespace", r.namespace}},
		{"", []string{"create", "rolebinding", "agent", "--clusterrole=cluster-admin", "--serviceaccount=" + r.namespace + ":default"}},
		{r.pod(), []string{"create", "-f", "-"}},
		{"", []string{"wait", "pod/agent", "--for=condition=Ready", "--timeout=2m"}},
		{string(program), []string{"exec", "-i", "agent", "--", "sh", "-c", "cat > /tmp/timer && chmod +x /tmp/timer"}},
	} {
		if out, err := r.kubectl(ctx, step.stdin, step.args...); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	out, err := r.sh(ctx, r.authoring())
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// authoring lets buildx write the instance file, without starting anything,
// and gives Slipway the very same file: each tool then creates the workloads
// in its own way.
func (r *rig) authoring() string {
	node := func(arch, more string) string {
		return fmt.Sprintf("buildx create --name=kube --driver=kubernetes --platform=linux/%[1]s --node=builder-%[1]s "+
			"--driver-opt=namespace=%[2]s,image=%[3]s,nodeselector=kubernetes.io/arch=%[1]s %[4]s && ", arch, r.namespace, r.bed.Images.BuildKit, more)
	}
	return node("amd64", "") + node("arm64", "--append") + `buildx use kube
mkdir -p /bench/context && cd /bench/context && printf 'FROM scratch\nCOPY file /\n' > Dockerfile && echo small > file`
}

func (r *rig) pod() string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: agent}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: agent
      image: %s
      command: [sleep, infinity]
`, r.bed.Images.Peer)
}

func (r *rig) sh(ctx context.Context, script string) (string, error) {
	return r.kubectl(ctx, "", "exec", "agent", "--", "sh", "-c", script)
}

func (r *rig) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	path := "kubectl"
	if r.bed.BinDir != "" {
		path = filepath.Join(r.bed.BinDir, path)
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"--namespace", r.namespace}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+r.bed.Kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
