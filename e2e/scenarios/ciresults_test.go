package scenarios

import (
	"encoding/json"
	"strings"
	"testing"
)

// github are the variables of a step, GitHub's and of a runner whose files are there.
const github = "export GITHUB_ACTIONS=true GITHUB_WORKSPACE=$PWD GITHUB_OUTPUT=/tmp/output GITHUB_STEP_SUMMARY=/tmp/summary; : > /tmp/output; : > /tmp/summary; "

// gitlab are the variables of a job.
const gitlab = "export GITLAB_CI=true CI_SERVER_URL=https://gitlab.example CI_PROJECT_PATH=team/app CI_PROJECT_DIR=$PWD; "

// TestResultsForCISystems has what the steps after a build read of it, of builds on two
// nodes.
func TestResultsForCISystems(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	build := "slipway build " + both + s.from() + "-t " + s.tag("v1") + " --push --ci-results /tmp/results "
	s.ok(github + build + ".")
	digest := s.digest("v1")
	outputs := s.ok("cat /tmp/output")
	for name, value := range map[string]string{"digest": digest, "imageid": digest, "tags": s.tag("v1")} {
		_, rest, ok := strings.Cut("\n"+outputs, "\n"+name+"<<")
		delimiter, rest, _ := strings.Cut(rest, "\n")
		if got, _, ended := strings.Cut(rest, "\n"+delimiter+"\n"); !ok || !ended || got != value {
			t.Errorf("%s is %q, want %q:\n%s", name, got, value, outputs)
		}
	}
	// What it sources is what the registry has.
	want(t, "the image", s.ok(". /tmp/results/slipway.env; echo $SLIPWAY_IMAGE"), s.repo+"@"+digest+"\n")
	summary := s.ok("cat /tmp/summary")
	for _, part := range []string{"### Image build succeeded", "<th>Build ID</th>", "<summary>Build inputs</summary>", "<code>" + digest + "</code>", "<td><code>linux/arm64</code></td>"} {
		if !strings.Contains(summary, part) {
			t.Errorf("the summary has no %s:\n%s", part, summary)
		}
	}

	// A step that fails, with a finding of the linter beside it.
	s.ok("mkdir docker")
	s.write("docker/Dockerfile", strings.Replace(machineDockerfile, "FROM ${BASE}", "FROM ${BASE} as last", 1)+"RUN echo '</code><script>' && exit 3\n")
	s.fails(1, gitlab+build+"-f docker/Dockerfile .", "error: ")
	want(t, "the variables", s.ok("cat /tmp/results/slipway.env"), "SLIPWAY_STATUS=failed\n")
	var issues []struct {
		Check    string `json:"check_name"`
		Severity string `json:"severity"`
		Location struct {
			Path  string `json:"path"`
			Lines struct {
				Begin int `json:"begin"`
			} `json:"lines"`
		} `json:"location"`
	}
	report := s.ok("cat /tmp/results/gl-code-quality-report.json")
	if err := json.Unmarshal([]byte(report), &issues); err != nil {
		t.Fatalf("%v:\n%s", err, report)
	}
	found := map[string]int{}
	for _, one := range issues {
		if one.Location.Path != "docker/Dockerfile" {
			t.Errorf("a finding in %s:\n%s", one.Location.Path, report)
		}
		found[one.Severity+" "+one.Check] = one.Location.Lines.Begin
	}
	if found["critical dockerfile"] != 7 || found["minor FromAsCasing"] != 2 {
		t.Errorf("the findings are %v:\n%s", found, report)
	}
	s.fails(1, github+build+"-f docker/Dockerfile .", "error: ")
	want(t, "the outputs", s.ok("cat /tmp/output"), "")
	if summary := s.ok("cat /tmp/summary"); !strings.Contains(summary, "&lt;/code&gt;&lt;script&gt;") || strings.Contains(summary, "<script>") {
		t.Errorf("the summary has:\n%s", summary)
	}
	want(t, "the tag", s.digest("v1"), digest)
}
