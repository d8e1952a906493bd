package scenarios

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// collected is what scripts read of slipway gc.
type collected struct {
	Name, Owner, Action, Reason string
	DryRun                      bool
	Objects, Kept               []string
}

// gc runs slipway gc, which must succeed, and returns its lines by workload.
func gc(a *agent, flags string) map[string]collected {
	a.t.Helper()
	var all []collected
	if err := json.Unmarshal([]byte(a.ok("slipway gc --format json "+flags)), &all); err != nil {
		a.t.Fatal(err)
	}
	by := make(map[string]collected)
	for _, one := range all {
		by[one.Name] = one
	}
	return by
}

// is fails the test unless an action was taken for a reason that has the words.
func (c collected) is(t *testing.T, action, words string) {
	t.Helper()
	if c.Action != action || !strings.Contains(c.Reason, words) {
		t.Errorf("gc: %+v, want %s with %q", c, action, words)
	}
}

// TestGarbageCollection puts a builder to sleep that builds wake again, and
// removes what is left over of one owner and of no other.
func TestGarbageCollection(t *testing.T) {
	t.Parallel()
	s := newSpace(t, "slipway-build", "slipway-manage")
	n := s.builderNode("amd64", "replicas=2")
	n.Slipway = map[string]any{"owner": "one", "idleTimeout": "2s"}
	s.define(n)
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)

	// What is left over of two owners, and what is nobody's.
	s.kubectl(strings.Replace(claimVolume(s.Name), "builder-amd64", "other-amd64", 1), "create", "-f", "-")
	t.Cleanup(func() { s.kubectlCleanup("delete", "persistentvolume", s.Name, "--wait=false", "--ignore-not-found") })
	for name, owner := range map[string]string{"left": "one", "other": "two"} {
		former := s.builderNode("amd64")
		former.Name = name + "-amd64"
		former.Slipway = map[string]any{"owner": owner, "transport": "exec"}
		if name == "other" {
			former.DriverOpts["persistent-volume-claim.requests.storage"] = "1Gi"
		}
		raw, err := json.Marshal(map[string]any{"Name": name, "Driver": "kubernetes", "Nodes": []node{former}})
		if err != nil {
			t.Fatal(err)
		}
		a.write("former/"+name, string(raw))
	}
	// One as buildx makes them, and one that Slipway made before there were owners.
	for name, label := range map[string]string{"buildx-amd64": "app=buildx-amd64", "free-amd64": "app.kubernetes.io/managed-by=slipway"} {
		s.kubectl("", "create", "deployment", name, "--image="+s.Bed.Images.BuildKit, "--replicas=0")
		s.kubectl("", "label", "deployment", name, label, "--overwrite")
	}
	r := a.sh(`slipway --definitions former up left & one=$!
slipway --definitions former up other & two=$!
slipway up --min-ready 2 && wait $one && wait $two`)
	if r.code != 0 || !strings.Contains(r.stderr, "2 of 2 pods ready") {
		t.Fatalf("up: exit %d\n%s", r.code, r.stderr)
	}

	// Busy, then idle: nothing happens until gc is told to, and builds wake it.
	finish := a.buildThatWaits()
	gc(a, "")["builder-amd64"].is(t, "left", "a build runs on it")
	finish()
	s.eventually("the builder is idle", func() bool { return gc(a, "--dry-run")["builder-amd64"].Action == "scaled" })
	want(t, "replicas after a dry run", s.replicas(), "2")
	gc(a, "")["builder-amd64"].is(t, "scaled", "longer than its idleTimeout of 2s")
	want(t, "replicas of what sleeps", s.replicas(), "0")
	if listed := a.ok("slipway ls"); !strings.Contains(listed, "stopped") {
		t.Errorf("slipway ls:\n%s", listed)
	}
	r = a.sh(`for i in 0 1 2 3 4 5 6 7 8 9; do slipway build --progress plain -o out$i . & pids="$pids $!"; done
for pid in $pids; do wait $pid || failed=$((failed+1)); done; echo ${failed:-0}`)
	if r.stdout != "0\n" || !strings.Contains(r.stderr, "is scaled to zero: scaling it to 2") {
		t.Errorf("of ten builds that wake it together %s fail:\n%s", r.stdout, r.stderr)
	}
	want(t, "replicas of what was woken", s.replicas(), "2")

	// Left over, but young. Then old enough, and there is no right to remove it.
	by := gc(a, "")
	by["left-amd64"].is(t, "left", "the limit is 24h0m0s")
	by["other-amd64"].is(t, "left", "its owner is two")
	by["free-amd64"].is(t, "left", "it has no owner")
	if _, seen := by["buildx-amd64"]; seen {
		t.Error("gc speaks of what others made")
	}
	r = a.fails(3, "slipway gc --older-than 0s", "cannot list resource", "name: slipway-gc")
	if !strings.Contains(r.stdout, "failed") {
		t.Errorf("gc does not show what failed:\n%s", r.stdout)
	}
	_, role, _ := strings.Cut(r.stderr, "and this:\n")
	s.kubectl(role, "apply", "-f", "-")
	gone := gc(a, "--older-than 0s")
	gone["left-amd64"].is(t, "removed", "no definition has it")
	gone["other-amd64"].is(t, "left", "its owner is two")
	want(t, "deployments", strings.Join(s.names("deployments"), " "), "deployment.apps/builder-amd64 deployment.apps/buildx-amd64 deployment.apps/free-amd64")

	// The other owner's, whose claim stays unless it is asked for.
	planned := gc(a, "--older-than 0s --owner two --dry-run")["other-amd64"]
	planned.is(t, "removed", "no definition has it")
	if !planned.DryRun || len(planned.Kept) != 1 || strings.Contains(strings.Join(planned.Objects, " "), "claim") {
		t.Errorf("gc without --delete-claims: %+v", planned)
	}
	removed := gc(a, "--older-than 0s --owner two --delete-claims")["other-amd64"]
	if claim := "persistentvolumeclaim buildkitd-other-amd64-0 in namespace " + s.Name; !strings.Contains(strings.Join(removed.Objects, "\n"), claim) {
		t.Errorf("gc with --delete-claims: %+v, want %s", removed, claim)
	}
	s.eventually("the claim goes", func() bool { return len(s.names("statefulsets,persistentvolumeclaims")) == 0 })
	a.ok("slipway build -o out .")

	// What the page says to write and to run.
	page := readFile(t, "../docs/scale.md")
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(page)
	a.write("page.yaml", example[1])
	a.ok("slipway definition lint page.yaml >&2")
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		for command := range strings.Lines(block[1]) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(command), "kubectl "); ok {
				s.kubectl("", strings.Fields(rest)...)
			} else {
				a.ok(command + " >&2")
			}
			ran++
		}
	}
	if ran != 7 {
		t.Errorf("the page has %d commands, want 7", ran)
	}
}

// replicas are how many pods the builder for amd64 is to have.
func (s *space) replicas() string {
	s.t.Helper()
	return s.kubectl("", "get", "deployment", "builder-amd64", "-o", "jsonpath={.spec.replicas}")
}
