package ci

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// running are the variables of a job of each system.
var running = map[string]Variables{
	"github":     {GitHub: GitHub{Actions: "true"}},
	"gitea":      {GitHub: GitHub{Actions: "true"}, Gitea: Gitea{Actions: "true"}},
	"forgejo":    {GitHub: GitHub{Actions: "true"}, Gitea: Gitea{Actions: "true", ForgejoActions: "true"}},
	"gitlab":     {GitLab: GitLab{CI: "true"}},
	"azure":      {Azure: Azure{Build: "True"}},
	"bitbucket":  {Bitbucket: Bitbucket{BuildNumber: "7"}},
	"buildkite":  {Buildkite: Buildkite{Buildkite: "true"}},
	"circleci":   {CircleCI: CircleCI{CI: "true"}},
	"woodpecker": {Woodpecker: Woodpecker{CI: "woodpecker"}},
	"drone":      {Drone: Drone{Drone: "true"}},
	"jenkins":    {Jenkins: Jenkins{URL: "https://jenkins.example/", BuildID: "7"}},
	"tekton":     {Tekton: Tekton{Steps: true}},
	"argo":       {Argo: Argo{NodeID: "build-1234"}},
}

func TestDetect(t *testing.T) {
	for _, s := range Systems() {
		if s.Name == Plain {
			continue
		}
		v, ok := running[s.Name]
		if !ok {
			t.Errorf("no test recognizes %s", s.Name)
		}
		if got, _ := v.Detect(); got.Name != s.Name {
			t.Errorf("a job of %s is recognized as %q", s.Name, got.Name)
		}
	}
	for name, v := range map[string]Variables{
		"nowhere":                   {},
		"variables without a job":   {GitHub: GitHub{ServerURL: "https://github.com", Repository: "team/app", Workspace: "/w"}, GitLab: GitLab{ServerURL: "https://gitlab.example"}},
		"a switch that is off":      {GitHub: GitHub{Actions: "false"}, Azure: Azure{Build: "False"}, Buildkite: Buildkite{Buildkite: "0"}, Woodpecker: Woodpecker{CI: "true"}},
		"a shell in an agent's pod": {Jenkins: Jenkins{URL: "https://jenkins.example/"}},
		"a program's BUILD_ID":      {Jenkins: Jenkins{BuildID: "7"}},
	} {
		if got, others := v.Detect(); got.Known() || others != nil {
			t.Errorf("%s: %q, %v", name, got.Name, others)
		}
	}
}

// TestDetectTheMoreSpecificOne has the variables of several systems at once.
func TestDetectTheMoreSpecificOne(t *testing.T) {
	for want, all := range map[string][]string{
		"github":    {"jenkins", "github"},
		"forgejo":   {"forgejo", "woodpecker"},
		"gitlab":    {"gitlab", "tekton", "argo"},
		"jenkins":   {"argo", "jenkins"},
		"buildkite": {"jenkins", "buildkite"},
	} {
		v := Variables{}
		for _, name := range all {
			one := running[name]
			if one.GitHub.Actions != "" {
				v.GitHub, v.Gitea = one.GitHub, one.Gitea
			}
			v.GitLab.CI += one.GitLab.CI
			v.Buildkite.Buildkite += one.Buildkite.Buildkite
			v.Woodpecker.CI += one.Woodpecker.CI
			v.Argo.NodeID += one.Argo.NodeID
			v.Tekton.Steps = v.Tekton.Steps || one.Tekton.Steps
			if one.Jenkins.URL != "" {
				v.Jenkins = one.Jenkins
			}
		}
		got, others := v.Detect()
		if got.Name != want || len(others) == 0 {
			t.Errorf("%v: %s, and %v", all, got.Name, others)
		}
	}
}

func TestChoose(t *testing.T) {
	v := running["github"]
	for value, want := range map[string]string{"": "github", "auto": "github", "none": "", "plain": "plain", "jenkins": "jenkins"} {
		if got, _, err := v.Choose(value); err != nil || got.Name != want {
			t.Errorf("%q is %q, %v", value, got.Name, err)
		}
	}
	_, _, err := v.Choose("travis")
	if err == nil || !strings.Contains(err.Error(), `unknown CI system "travis", known are auto, none, forgejo, gitea, github, gitlab,`) {
		t.Errorf("error %v", err)
	}
}

// TestCommands has what each system obeys, with text in it that means something there.
func TestCommands(t *testing.T) {
	at := time.Unix(1700000000, 0)
	finding := Annotation{LevelError, "100%: a, b;c]", "50%\nnext", "a,b:c;d]/Dockerfile", 7, 9}
	type lines struct{ begin, end, unfold, alone, annotate, mask string }
	none := lines{alone: "line"}
	want := map[string]lines{
		"github": {
			"::group::100%25", "::endgroup::", "", "line",
			"::error file=a%2Cb%3Ac;d]/Dockerfile,line=7,endLine=9,title=100%25%3A a%2C b;c]::50%25%0Anext", "::add-mask::s%25%0A",
		},
		"gitea": {"::group::100%25", "::endgroup::", "", "line", "", "::add-mask::s%25%0A"},
		"gitlab": {
			"\x1b[0Ksection_start:1700000000:step_1[collapsed=true]\r\x1b[0K100%", "\x1b[0Ksection_end:1700000000:step_1\r\x1b[0K", "", "line", "", "",
		},
		"azure": {
			"##[group]100%", "##[endgroup]", "", "line",
			"##vso[task.logissue type=error;sourcepath=a,b:c%3Bd%5D/Dockerfile;linenumber=7;]100%AZP25: a, b;c]: 50%AZP25%0Anext", "##vso[task.setsecret]s%AZP25%0A",
		},
		"buildkite": {"--- 100%", "", "^^^ +++", "~~~ line", "", ""},
	}
	want["forgejo"] = want["gitea"]
	for _, s := range Systems() {
		got := lines{
			s.Commands.Begin("step_1", "100%", at, true), s.Commands.End("step_1", at), s.Commands.Unfold(),
			s.Commands.Alone("line"), s.Commands.Annotate(finding), s.Commands.Mask("s%\n"),
		}
		expected, ok := want[s.Name]
		if !ok {
			expected = none
		}
		if got != expected {
			t.Errorf("%s:\n%+q, want\n%+q", s.Name, got, expected)
		}
	}
	if got := (buildkiteCommands{}).Begin("x", "t", at, false); got != "+++ t" {
		t.Errorf("open in Buildkite: %q", got)
	}
	for _, c := range []Commands{githubCommands{}, giteaCommands{}, azureCommands{}} {
		if got := c.Begin("x", "t", at, false); got != "" {
			t.Errorf("%T cannot show a group that is open, and is told %q", c, got)
		}
	}
	if got := (githubCommands{}).Annotate(Annotation{Level: LevelWarning, Message: "m", Line: 3}); got != "::warning::m" {
		t.Errorf("without a file: %q", got)
	}
	if !slices.Contains(Names(), Plain) || !slices.Contains(Names(), None) {
		t.Errorf("names %v", Names())
	}
}
