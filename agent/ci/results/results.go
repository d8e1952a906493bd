package results

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// What a build may come to, as Results.Status.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Results is what a build came to. In JSON it is the file slipway.json.
type Results struct {
	// Status is succeeded, failed or cancelled.
	Status string `json:"status"`
	// ExitCode is that of the command.
	ExitCode int `json:"exitCode"`
	// Builder is the name of the builder, absent where the build has ended before one was chosen.
	Builder string `json:"builder,omitempty"`
	// Started is when the build began, by the agent's clock.
	Started time.Time `json:"started"`
	// Duration is in seconds.
	Duration float64 `json:"duration"`
	// Inputs are the flags and arguments of the command line, one NAME: VALUE each, without the values of build arguments; of long ones and of many the beginning.
	Inputs []string `json:"inputs"`
	// Image is the image that was pushed, as REPOSITORY@DIGEST; the first of several repositories.
	Image string `json:"image,omitempty"`
	// Digest is that of the image, or of the index of several platforms.
	Digest string `json:"digest,omitempty"`
	// ImageID is the digest of the image's configuration, or of the index of several platforms.
	ImageID string `json:"imageid,omitempty"`
	// Tags are the image's names, with their tags.
	Tags []string `json:"tags"`
	// Platforms are what each platform came to, in the order of the builder's nodes.
	Platforms []Platform `json:"platforms"`
	// Warnings are the findings of the Dockerfile's linter.
	Warnings []Finding `json:"warnings"`
	// WarningsLeftOut is how many findings there are besides, absent where Warnings has all; it has at most 1,000.
	WarningsLeftOut int `json:"warningsLeftOut,omitempty"`
	// Tests are what the test reports of steps that have failed say, one for each step and platform; absent without one.
	Tests []Tests `json:"tests,omitempty"`
	// Error is why there is no result.
	Error *Failure `json:"error,omitempty"`
	// Metadata is what --metadata-file has, absent unless the build has succeeded.
	Metadata json.RawMessage `json:"metadata,omitempty"`

	// pushed are those of the tags that are in a registry.
	pushed []string
}

// Platform is what one platform of a build came to, or several that one node built in
// one solve.
type Platform struct {
	// Platform is one platform such as linux/amd64, or several with commas between.
	Platform string `json:"platform"`
	// Node is the builder's node, Pod its pod.
	Node string `json:"node"`
	Pod  string `json:"pod,omitempty"`
	// Ref is the ID of the build in the history of that node's buildkitd; absent where it did not begin.
	Ref string `json:"ref,omitempty"`
	// Duration is how long the solve took, in seconds; absent where it did not end.
	Duration float64 `json:"duration,omitempty"`
	// Steps counts the instructions of the Dockerfile that have ended, Cached those of them that were cached.
	Steps  int `json:"steps"`
	Cached int `json:"cached"`
	// Digest is that of the platform's image.
	Digest string `json:"digest,omitempty"`
}

// Finding is a place in a file with something to say about it.
type Finding struct {
	// Rule is the name of the linter's rule, such as FromAsCasing.
	Rule string `json:"rule,omitempty"`
	// Message is the finding in one line.
	Message string `json:"message"`
	// URL explains the rule.
	URL string `json:"url,omitempty"`
	// File is relative to the workspace of the job where it is in it, absent where the file is not on the agent and not in the job's repository: the message names it then.
	File string `json:"file,omitempty"`
	// Line counts from 1; EndLine is the last line. Both are absent when they are not known.
	Line    int `json:"line,omitempty"`
	EndLine int `json:"endLine,omitempty"`

	// text is the line of the file; empty when it is not known.
	text string
}

// Tests is what the test reports of a step say.
type Tests struct {
	// Platform is the one that the step was for, absent in a build of one platform.
	Platform string `json:"platform,omitempty"`
	// Total counts all tests, Failed those that have failed or could not run, Skipped those that were not run.
	Total   int `json:"total"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	// Failures are the first of those that have failed, at most 100; the rule of each is the name of the test.
	Failures []Finding `json:"failures"`
}

// Failure is why a build has failed.
type Failure struct {
	// Message is all that went wrong, a line for each mistake.
	Message string `json:"message"`
	// Hints say what to do about it, in order.
	Hints []string `json:"hints"`
	// Excerpt shows where in the Dockerfile the build failed.
	Excerpt string `json:"excerpt,omitempty"`
	// Place is the instruction that has failed, absent where none has.
	Place *Finding `json:"place,omitempty"`
}

// push notes which of the names are in a registry.
func (r *Results) push(names ...string) {
	for _, name := range names {
		if !slices.Contains(r.pushed, name) {
			r.pushed = append(r.pushed, name)
		}
	}
	if r.Image == "" && r.Digest != "" && len(r.pushed) > 0 {
		if named, err := reference.ParseNormalizedNamed(r.pushed[0]); err == nil {
			r.Image = reference.TrimNamed(named).Name() + "@" + r.Digest
		}
	}
}

// result is a value that is written by a name.
type result struct{ name, value string }

// values are the results that later steps read, those that there are. Lists have the
// separator between.
func (r Results) values(separator string) []result {
	all := []result{
		{"status", r.Status}, {"digest", r.Digest}, {"image", r.Image}, {"imageid", r.ImageID}, {"tags", strings.Join(r.Tags, separator)},
	}
	return slices.DeleteFunc(all, func(v result) bool { return v.value == "" })
}

// variable is the name of a result as a variable: SLIPWAY_DIGEST.
func (r result) variable() string { return "SLIPWAY_" + strings.ToUpper(r.name) }

// plain reports whether a value can stand in a file of variables without quotes: where
// a shell reads the file, too, it is one word that means itself. Digests and references
// of images are plain.
func plain(value string) bool {
	for i := range len(value) {
		switch b := value[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', strings.IndexByte("._:/@,+=-[]", b) >= 0:
		default:
			return false
		}
	}
	return true
}

// clean returns the results without secrets, which mask takes out of a text, and without
// what terminals and CI systems obey. No list of it is nil.
func (r Results) clean(mask func(string) string) Results {
	if mask == nil {
		mask = func(text string) string { return text }
	}
	line := func(text string) string { return sanitize.Line(mask(text)) }
	lines := func(text string) string { return withoutColours(sanitize.String(mask(text))) }
	// A value that steps read is as it is, or masked: a changed reference would be wrong.
	value := func(text string) string { return strings.ToValidUTF8(mask(text), "\ufffd") }
	all := func(list []string, one func(string) string) []string {
		out := make([]string, len(list))
		for i, text := range list {
			out[i] = one(text)
		}
		return out
	}
	finding := func(f Finding) Finding {
		f.Rule, f.Message, f.URL, f.File, f.text = line(f.Rule), line(f.Message), line(f.URL), line(f.File), line(f.text)
		return f
	}
	r.Builder, r.Image, r.Digest, r.ImageID = line(r.Builder), value(r.Image), value(r.Digest), value(r.ImageID)
	r.Tags, r.pushed = all(r.Tags, value), all(r.pushed, value)
	r.Inputs = all(r.Inputs, func(text string) string { return sanitize.RedactURLs(line(text)) })
	platforms, warnings := make([]Platform, len(r.Platforms)), make([]Finding, len(r.Warnings))
	for i, p := range r.Platforms {
		p.Platform, p.Node, p.Pod, p.Ref, p.Digest = line(p.Platform), line(p.Node), line(p.Pod), line(p.Ref), line(p.Digest)
		platforms[i] = p
	}
	for i, w := range r.Warnings {
		warnings[i] = finding(w)
	}
	r.Platforms, r.Warnings = platforms, warnings
	tests := make([]Tests, len(r.Tests))
	for i, t := range r.Tests {
		failures := make([]Finding, len(t.Failures))
		for j, f := range t.Failures {
			failures[j] = finding(f)
		}
		t.Platform, t.Failures = line(t.Platform), failures
		tests[i] = t
	}
	r.Tests = tests
	if r.Error != nil {
		failed := Failure{Message: lines(r.Error.Message), Hints: all(r.Error.Hints, lines), Excerpt: lines(r.Error.Excerpt)}
		if r.Error.Place != nil {
			place := finding(*r.Error.Place)
			failed.Place = &place
		}
		r.Error = &failed
	}
	if r.Metadata != nil {
		if masked := []byte(mask(string(r.Metadata))); json.Valid(masked) {
			r.Metadata = masked
		} else {
			r.Metadata = nil
		}
	}
	return r
}

// withoutColours takes out the colours that package sanitize leaves in text.
func withoutColours(text string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "\x1b")
		out.WriteString(before)
		if !found {
			return sanitize.RedactURLs(out.String())
		}
		_, text, _ = strings.Cut(rest, "m")
	}
}

// shorten cuts a text off at a number of bytes, and says so.
func shorten(text string, limit int) string {
	const cut = " [shortened]"
	if len(text) <= limit {
		return text
	}
	end := max(limit-len(cut), 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cut
}

// percentCached is the share of the steps that were cached, in percent; false without steps.
func (r Results) percentCached() (int, bool) {
	steps, cached := 0, 0
	for _, p := range r.Platforms {
		steps, cached = steps+p.Steps, cached+p.Cached
	}
	if steps == 0 {
		return 0, false
	}
	return cached * 100 / steps, true
}
