package results

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
)

// GitHub is where a runner of GitHub Actions, Gitea or Forgejo reads what a step has to
// say: files, each made anew for every step.
type GitHub struct {
	// Output is the file of the step's outputs.
	Output string `env:"GITHUB_OUTPUT"`
	// StepSummary is the file of the job's summary.
	StepSummary string `env:"GITHUB_STEP_SUMMARY"`
}

// maxGitHub is how much GitHub takes of an output and of a step's summary, in bytes.
//
//	https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
const maxGitHub = 1 << 20

// open implements teller.
func (g GitHub) open(w *Writer) {
	w.checkAppend("GITHUB_OUTPUT", g.Output, "the outputs digest, imageid, metadata and tags")
	w.checkAppend("GITHUB_STEP_SUMMARY", g.StepSummary, "the job summary")
}

// tell implements teller.
func (g GitHub) tell(_ context.Context, w *Writer, r Results) error {
	data, left := githubOutputs(r, rand.Text)
	w.left("GITHUB_OUTPUT", left)
	err := w.append("GITHUB_OUTPUT", g.Output, data)
	w.appendSummary("GITHUB_STEP_SUMMARY", g.StepSummary, r)
	return err
}

// githubOutputs are the outputs of a step as GitHub's runner reads them: those of
// docker/build-push-action, and tags with one name a line. All are in the form with a
// delimiter, which random makes. It also returns what does not fit, with the reason.
//
//	https://github.com/actions/runner/blob/main/src/Runner.Worker/FileCommandManager.cs
func githubOutputs(r Results, random func() string) (data []byte, left []string) {
	all := []result{{"digest", r.Digest}, {"imageid", r.ImageID}, {"metadata", indented(r.Metadata)}, {"tags", strings.Join(r.Tags, "\n")}}
	var out bytes.Buffer
	for _, one := range all {
		switch {
		case one.value == "":
			continue
		case len(one.value) > maxGitHub:
			left = append(left, tooLarge(one.name, len(one.value), maxGitHub))
			continue
		}
		out.WriteString(githubOutput(one.name, one.value, random))
	}
	return out.Bytes(), left
}

// GitHubOutput returns an output of a step as it stands in the file GITHUB_OUTPUT, in the
// form with a delimiter. The value may have several lines and end in any way, and none of
// it becomes another output: the delimiter cannot be guessed.
func GitHubOutput(name, value string) string { return githubOutput(name, value, rand.Text) }

// githubOutput is GitHubOutput with a delimiter that random makes and the value does not
// hold.
func githubOutput(name, value string, random func() string) string {
	delimiter := "slipway_" + random()
	for strings.Contains(value, delimiter) {
		delimiter = "slipway_" + random()
	}
	return fmt.Sprintf("%s<<%s\n%s\n%s\n", name, delimiter, value, delimiter)
}

// indented is JSON as build-push-action writes it; empty for none.
func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if raw == nil || json.Indent(&out, raw, "", "  ") != nil {
		return ""
	}
	return out.String()
}

// tooLarge says that a value is left out because of its size.
func tooLarge(name string, size, limit int) string {
	return fmt.Sprintf("%s (%d bytes, at most %d fit)", name, size, limit)
}
