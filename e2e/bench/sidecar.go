package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sidecar is slipway through slipway agent. The agent is a process of the agent pod, as near
// to the job as a sidecar is, and answers for a registry: sessions are read for that.
var sidecar = tool{
	name:    "sidecar",
	version: []string{"slipway", "version"},
	build:   func(b build, at place) []string { return buildxWords("slipway", b, at) },
	agent:   true,
}

// checkout is how long a job checks out its sources before it builds.
const checkout = 10 * time.Second

const (
	agentDirectory = "/run/slipway" // where slipway looks for an agent by itself
	serveAgent     = "slipway agent serve --registry registry.example"
)

// startAgent starts slipway agent for the builders that stay, and waits until they answer.
func (s *stand) startAgent(ctx context.Context, pod string) error {
	script := fmt.Sprintf(`set -eu
%s %s %s < /dev/null > /bench/agent.log 2>&1 &
echo $! > /bench/agent.pid
i=0
until slipway agent health --ready > /dev/null 2>&1; do
	i=$((i + 1))
	test $i -lt 240 || { cat /bench/agent.log; exit 1; }
	sleep 0.5
done`, serveAgent, kube, pool)
	result, err := s.agents.Shell(ctx, pod, script)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("start slipway agent: exit %d: %s%s", result.Code, result.Stdout, result.Stderr)
	}
	return err
}

// agentMemory is the largest resident size of slipway agent in a pod since it was started,
// in KiB; 0 where it is not known.
func (s *stand) agentMemory(ctx context.Context, pod string) int64 {
	result, err := s.agents.Shell(ctx, pod, `awk '/^VmHWM/ {print $2}' /proc/$(cat /bench/agent.pid)/status`)
	if err != nil || result.Code != 0 {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(result.Stdout), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// throughSidecar is a row for slipway alone, with and without the agent.
func throughSidecar(r row, name string, goals ...goal) row {
	r.name, r.tools, r.goals = name, []tool{slipway, sidecar}, goals
	return r
}

// sidecarRows are what slipway agent costs and saves.
func sidecarRows(s scale) []row {
	close := goal{against: sidecar, atMost: 1.1}
	warm := throughSidecar(warmOneNode(s), "sidecar: warm, fully cached build, one node", close)
	upload := throughSidecar(firstUpload(s), "sidecar: "+s.big.String()+" context, first upload", close)
	upload.agentMemory = 80 * mb
	many := atOnce(s.throughAgent)
	many.runs, many.warmUps = s.heavy, s.warmUps+1
	many = throughSidecar(many, fmt.Sprintf("sidecar: %d builds at once through one agent", s.throughAgent))
	many.agentMemory = 1
	return []row{warm, upload, afterCheckout(s), many}
}

// afterCheckout is a job from its start to the end of its first build, where no builder
// runs. The agent starts with the job.
func afterCheckout(s scale) row {
	r := throughSidecar(coldStart(s), fmt.Sprintf("sidecar: checkout of %s, then a build on a cold builder", checkout), goal{against: sidecar, atMost: 1})
	inner := r.work
	r.work = func(run int) work {
		w := inner(run)
		w.command = func(t tool, at place) []string {
			wait := fmt.Sprintf("sleep %d; ", int(checkout.Seconds()))
			job := `"$@"`
			if t.agent {
				wait = fmt.Sprintf("%s --agent /bench/cold %s < /dev/null > /bench/cold.log 2>&1 & agent=$!; %s", serveAgent, cold, wait)
				job = `SLIPWAY_AGENT=/bench/cold "$@"; code=$?; kill $agent; exit $code`
			}
			return append([]string{"sh", "-c", wait + job, "sh"}, t.build(build{
				builder: cold, platforms: oneNode, context: clones + "/team/cold", output: "type=local,dest=" + out,
			}, at)...)
		}
		return w
	}
	return r
}
