package solve

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/proto"
)

// The keys of a call's result.
const (
	metaJSON    = "result.json"
	metaText    = "result.txt"
	metaStatus  = "result.statuscode"
	metaVersion = "version"
)

// CallResult is what a frontend answered.
type CallResult struct {
	// Call is what was asked.
	Call Call

	meta map[string][]byte
}

// Metadata is the answer by BuildKit's keys, for --metadata-file: text, and
// JSON where it is that.
func (r *CallResult) Metadata() map[string]any {
	out := make(map[string]any, len(r.meta))
	for key, value := range r.meta {
		out[key] = string(value)
		if key == metaJSON && json.Valid(value) {
			out[key] = json.RawMessage(value)
		}
	}
	return out
}

// CallError is a call whose findings are the user's to mend.
type CallError struct {
	// Call is the method's name.
	Call string
	// Findings says what was found, in a few words.
	Findings string
	// Status is the exit status that the frontend proposes; not 0.
	Status int
}

func (e *CallError) Error() string { return e.Call + ": " + e.Findings }

// printer is one row of the table of results that BuildKit can print.
type printer struct {
	call string
	// version is the one of the result that print knows.
	version string
	print   func(data []byte, w io.Writer) error
}

func (c Call) printers() []printer {
	return []printer{
		{"outline", outline.SubrequestsOutlineDefinition.Version, outline.PrintOutline},
		{"targets", targets.SubrequestsTargetsDefinition.Version, targets.PrintTargets},
		{"subrequests.describe", subrequests.SubrequestsDescribeDefinition.Version, subrequests.PrintDescribe},
		{callLint, lint.SubrequestLintDefinition.Version, c.printLint},
	}
}

// Print writes the result: the frontend's JSON as it is, or for people.
func (r *CallResult) Print(w io.Writer, format string) error {
	data, text := r.meta[metaJSON], r.meta[metaText]
	if format == FormatJSON {
		if len(data) == 0 {
			return fmt.Errorf("the frontend's answer to %s holds no JSON", r.Call.Name)
		}
		if !json.Valid(data) { // which escapes control characters
			return fmt.Errorf("the frontend's answer to %s is not valid JSON", r.Call.Name)
		}
		_, err := fmt.Fprintln(w, string(data))
		return err
	}
	for _, p := range r.Call.printers() {
		if p.call != r.Call.Name {
			continue
		}
		// A result of another version is best told by who made it.
		if version := string(r.meta[metaVersion]); version != "" && version != p.version && len(text) > 0 {
			break
		}
		var b strings.Builder
		if err := p.print(data, &b); err != nil {
			return err
		}
		_, err := io.WriteString(w, carriageReturns.Replace(b.String()))
		return err
	}
	if len(text) == 0 {
		text = append(data, '\n')
	}
	_, err := w.Write(text)
	return err
}

// Err is a *CallError when the findings shall fail the command.
func (r *CallResult) Err() error {
	status, err := strconv.Atoi(string(r.meta[metaStatus]))
	if err != nil || status == 0 || r.Call.IgnoreStatus {
		return nil
	}
	findings := fmt.Sprintf("the frontend reports status %d", status)
	if r.Call.Name == callLint {
		var found lint.LintResults
		if err := json.Unmarshal(r.meta[metaJSON], &found); err == nil {
			findings = lintFindings(found)
		}
	}
	return &CallError{Call: r.Call.Name, Findings: findings, Status: status}
}

func lintFindings(found lint.LintResults) string {
	if found.Error != nil {
		return "the Dockerfile cannot be built: " + found.Error.Message
	}
	return lintCount(len(found.Warnings))
}

func lintCount(n int) string {
	if n == 1 {
		return "1 warning has been found"
	}
	return fmt.Sprintf("%d warnings have been found", n)
}

// printLint writes the linter's findings with the lines they are about, as
// buildx does.
func (c Call) printLint(data []byte, w io.Writer) error {
	var found lint.LintResults
	if err := json.Unmarshal(data, &found); err != nil {
		return fmt.Errorf("the linter's answer: %w", err)
	}
	if err := checkLint(found); err != nil {
		return err
	}
	var b strings.Builder
	switch n := len(found.Warnings); {
	case n > 0:
		fmt.Fprintf(&b, "Check complete, %s!\n", lintCount(n))
	case found.Error == nil:
		b.WriteString("Check complete, no warnings found.\n")
	}
	if err := found.PrintTo(&b, c.named); err != nil {
		return fmt.Errorf("the linter's answer: %w", err)
	}
	if found.Error != nil {
		if len(found.Warnings) > 0 {
			b.WriteByte('\n')
		}
		found.PrintErrorTo(&b, c.named)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// named is a source under the name that the user has given.
func (c Call) named(info *pb.SourceInfo) *pb.SourceInfo {
	if c.Dockerfile == "" || info == nil {
		return info
	}
	out := proto.CloneOf(info)
	out.Filename = c.Dockerfile
	return out
}

// checkLint finds what BuildKit's printers would trip over: the answer comes
// from a frontend image that the Dockerfile names.
func checkLint(found lint.LintResults) error {
	known := func(index int32) bool {
		return index < 0 || int(index) < len(found.Sources) && found.Sources[index] != nil
	}
	for _, warning := range found.Warnings {
		if warning.Location == nil || !known(warning.Location.SourceIndex) {
			return fmt.Errorf("the linter's answer: %s has no place", warning.RuleName)
		}
		for _, r := range warning.Location.Ranges {
			if r == nil || r.Start == nil || r.End == nil {
				return fmt.Errorf("the linter's answer: %s has no place", warning.RuleName)
			}
		}
	}
	if found.Error == nil {
		return nil
	}
	if index := found.Error.Location.SourceIndex; index < 0 || !known(index) {
		return fmt.Errorf("the linter's answer: %s", found.Error.Message)
	}
	for _, r := range found.Error.Location.Ranges {
		if r == nil || r.Start == nil || r.End == nil {
			return fmt.Errorf("the linter's answer: %s", found.Error.Message)
		}
	}
	return nil
}
