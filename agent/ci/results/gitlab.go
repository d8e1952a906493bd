package results

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/distribution/reference"
)

// GitLab is what links of a job need to know of its project.
type GitLab struct {
	// ProjectURL is the address of the project's page.
	ProjectURL string `env:"CI_PROJECT_URL"`
	// Registry is host[:port] of the project's registry; it is not filled by a tag.
	Registry string
}

// codeQualityIssue is a finding in GitLab's code quality report.
//
//	https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
type codeQualityIssue struct {
	Description string `json:"description"`
	CheckName   string `json:"check_name"`
	Fingerprint string `json:"fingerprint"`
	Severity    string `json:"severity"`
	Location    struct {
		Path  string `json:"path"`
		Lines struct {
			Begin int `json:"begin"`
		} `json:"lines"`
	} `json:"location"`
}

// codeQuality is GitLab's code quality report: the linter's warnings, the
// instruction that has failed, and tests that have failed and whose place is known. Without a finding it is an empty list, by which GitLab
// sees that earlier ones are gone.
func codeQuality(r Results) ([]byte, error) {
	issues := []codeQualityIssue{}
	seen := map[string]int{}
	add := func(f Finding, severity, description string) {
		place := path.Clean(f.File) // GitLab compares it with the paths of the change
		if f.File == "" || path.IsAbs(place) || place == ".." || strings.HasPrefix(place, "../") {
			return // GitLab shows what is in the project
		}
		issue := codeQualityIssue{Description: cmp.Or(description, f.Rule, "no message"), CheckName: cmp.Or(f.Rule, "dockerfile"), Severity: severity}
		// By the text of the line a finding stays the same when lines are added above it.
		key := strings.Join([]string{issue.CheckName, f.File, cmp.Or(f.text, f.Message)}, "\x00")
		seen[key]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))
		issue.Fingerprint = hex.EncodeToString(sum[:])
		issue.Location.Path, issue.Location.Lines.Begin = place, max(f.Line, 1)
		issues = append(issues, issue)
	}
	if r.Error != nil && r.Error.Place != nil {
		add(*r.Error.Place, "critical", r.Error.Place.Message)
	}
	for _, t := range r.Tests {
		for _, f := range t.Failures {
			add(Finding{Rule: "test", File: f.File, Line: f.Line, Message: f.Rule}, "major", f.Rule+": "+f.Message)
		}
	}
	for _, w := range r.Warnings {
		description := w.Message
		if w.URL != "" {
			description += " (" + w.URL + ")"
		}
		add(w, "minor", description)
	}
	return document(issues)
}

// annotations is GitLab's report of links that are shown beside the job: one for each
// repository that the image was pushed to.
//
//	https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations
func annotations(r Results, g GitLab) ([]byte, error) {
	type link struct {
		Label string `json:"label"`
		URL   string `json:"url"`
	}
	type annotation struct {
		ExternalLink link `json:"external_link"`
	}
	links := []annotation{}
	seen := map[string]bool{}
	for _, name := range r.pushed {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil || len(links) == maxLinks {
			continue
		}
		if url := imageURL(named, g); url != "" && !seen[url] {
			seen[url] = true
			links = append(links, annotation{link{Label: shorten(name, maxLabel), URL: url}})
		}
	}
	if len(links) == 0 {
		return document(struct{}{})
	}
	return document(map[string][]annotation{"Images": links})
}

const (
	// maxLinks bounds the links of a job, maxLabel the bytes of a label.
	maxLinks = 20
	maxLabel = 255
)

// imageURL is a page that shows a repository of images: that of the project for its own
// registry, else the registry's address, which most registries lead to their page from.
func imageURL(named reference.Named, g GitLab) string {
	host, repository := reference.Domain(named), reference.Path(named)
	switch {
	case host == g.Registry && strings.HasPrefix(g.ProjectURL, "https://"):
		return strings.TrimSuffix(g.ProjectURL, "/") + "/container_registry"
	case host == "docker.io":
		if library, ok := strings.CutPrefix(repository, "library/"); ok {
			return "https://hub.docker.com/_/" + library
		}
		return "https://hub.docker.com/r/" + repository
	}
	return "https://" + host + "/" + repository
}

// document is a value as JSON of several lines.
func document(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return out.Bytes(), err
}
