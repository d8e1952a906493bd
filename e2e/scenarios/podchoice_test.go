package scenarios

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestPodsAreChosenByRepository builds two repositories on a builder of three
// pods: each finds its pod again from another agent and another clone, and goes
// elsewhere only while its pod is busy.
func TestPodsAreChosenByRepository(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", "replicas=3")
	n.Slipway = map[string]any{"overflow": 1}
	s.define(n)
	a, b := s.startAgent("agent", s.Bed.Images.Agent), s.startAgent("other", s.Bed.Images.Agent)
	job := func(project, dir string) string {
		return "export GITLAB_CI=true CI_SERVER_URL=https://gitlab.example CI_PROJECT_PATH=" + project + " CI_PROJECT_DIR=$PWD/" + dir + "; "
	}
	podOf := func(a *agent, dir, project string) string {
		a.ok(job(project, dir) + "slipway build --metadata-file meta.json -o out " + dir)
		var meta struct {
			Slipway map[string]struct{ Pod string } `json:"slipway.platforms"`
		}
		if err := json.Unmarshal([]byte(a.ok("cat meta.json")), &meta); err != nil {
			t.Fatal(err)
		}
		return meta.Slipway["linux/amd64"].Pod
	}
	a.write("first/clone/Dockerfile", smallDockerfile)
	b.write("elsewhere/Dockerfile", smallDockerfile)
	a.ok("slipway up >&2")
	s.kubectl("", "rollout", "status", "deployment/builder-amd64", "--timeout="+patience.String())

	pods := map[string]bool{}
	home := map[string]string{}
	for _, project := range []string{"team/one", "team/two", "team/three", "team/four", "team/five", "team/six"} {
		home[project] = podOf(a, "first/clone", project)
		pods[home[project]] = true
		want(t, "pod of "+project+" in another clone on another agent", podOf(b, "elsewhere", project), home[project])
	}
	// Pods have other names each time, so six may share one now and then; forty
	// do not.
	for i := len(home); len(pods) < 2 && i < 40; i++ {
		pods[podOf(a, "first/clone", fmt.Sprintf("team/number-%d", i))] = true
	}
	if len(pods) < 2 {
		t.Errorf("forty repositories share the pods %v", pods)
	}
	// Keep the pod of one busy.
	busy := home["team/one"]
	a.write("slow/Dockerfile", "FROM base\nRUN sleep 60\n")
	a.ok(job("team/one", "slow") + "slipway build --debug --progress plain " + a.base() + "slow > slow.log 2>&1 & echo $! > slow.pid")
	a.until("the slow build runs", "grep -q 'RUN sleep' slow.log")
	if log := a.ok("cat slow.log"); !strings.Contains(log, "pod="+busy) {
		t.Fatalf("the slow build is not on pod %s:\n%s", busy, log)
	}
	if pod := podOf(b, "elsewhere", "team/one"); pod == busy {
		t.Errorf("a second build of team/one went to the busy pod %s", pod)
	}
	a.ok("kill $(cat slow.pid)")
	a.until("the slow build ends", "grep -q 'error: ' slow.log")
	want(t, "pod of team/one when it is free again", podOf(b, "elsewhere", "team/one"), busy)
}
