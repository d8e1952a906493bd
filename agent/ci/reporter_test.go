package ci

import (
	"errors"
	"testing"

	"github.com/slipway-build/slipway/agent/event"
)

// plainLog stands in for the display.
type plainLog struct{ closed error }

func (*plainLog) Consume(event.Event) error { return nil }
func (p *plainLog) Close() error            { return p.closed }
func (*plainLog) Stalled()                  {}

// TestReporter has a job of every system, and none. All logs are plain today.
func TestReporter(t *testing.T) {
	plain := &plainLog{closed: errors.New("closed")}
	for name, v := range map[string]Variables{
		"nowhere":   {},
		"GitHub":    {GitHub: GitHub{Actions: "true", ServerURL: "https://github.com", Repository: "team/app", Workspace: "/w"}},
		"GitLab":    {GitLab: GitLab{ServerURL: "https://gitlab.example", ProjectPath: "g/a", ProjectDir: "/w"}},
		"Azure":     {Azure: Azure{"https://dev.azure.com/org/p/_git/app", "/w"}},
		"Bitbucket": {Bitbucket: Bitbucket{"http://bitbucket.org/team/app", "/w"}},
		"Buildkite": {Buildkite: Buildkite{"git@github.com:team/app.git", "/w"}},
		"CircleCI":  {CircleCI: CircleCI{"git@github.com:team/app.git", "/w", ""}},
		"Jenkins":   {Jenkins: Jenkins{URL: "https://jenkins.example/", Workspace: "/w"}},
	} {
		if got := v.Reporter(plain); got != Reporter(plain) {
			t.Errorf("%s has the reporter %T", name, got)
		}
	}
}
