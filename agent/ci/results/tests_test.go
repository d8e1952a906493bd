package results

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slipway-build/slipway/agent/event"
)

// testsOf are the results of a build whose tests have failed.
func testsOf(t *testing.T, failures ...event.TestFailure) Results {
	t.Helper()
	c := &Collector{Checkout: Checkout{Workspace: "/w"}}
	err := c.Consume(event.Event{Tests: &event.Tests{Platform: "linux/arm64", Total: 412, Failed: 17 + len(failures), Skipped: 2, Failures: failures}})
	if err != nil {
		t.Fatal(err)
	}
	return c.Results()
}

func TestCollectorOfTests(t *testing.T) {
	r := testsOf(t, event.TestFailure{Name: "a.b", Message: "want 2", File: "/w/src/a.py", Line: 7}, event.TestFailure{Name: "c"})
	want := []Tests{{Platform: "linux/arm64", Total: 412, Failed: 19, Skipped: 2, Failures: []Finding{
		{Rule: "a.b", Message: "want 2", File: "src/a.py", Line: 7, EndLine: 7}, {Rule: "c", Message: "the test has failed"},
	}}}
	if diff := cmp.Diff(want, r.Tests, cmpopts.IgnoreUnexported(Finding{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	clean := testsOf(t, event.TestFailure{Name: "a\x1b[2J", Message: "s3cret\n::error::x"}).clean(func(text string) string { return strings.ReplaceAll(text, "s3cret", "***") })
	if f := clean.Tests[0].Failures[0]; strings.ContainsAny(f.Rule+f.Message, "\x1b\n") || strings.Contains(f.Message, "s3cret") {
		t.Errorf("not clean: %+v", f)
	}
}

func TestCodeQualityOfTests(t *testing.T) {
	raw, err := codeQuality(testsOf(t, event.TestFailure{Name: "a.b", Message: "want 2", File: "/w/src/a.py", Line: 7}, event.TestFailure{Name: "c"}))
	var got []codeQualityIssue
	if err != nil || json.Unmarshal(raw, &got) != nil || len(got) != 1 {
		t.Fatalf("%v: %s", err, raw)
	}
	if one := got[0]; one.Description != "a.b: want 2" || one.CheckName != "test" || one.Severity != "major" || one.Location.Path != "src/a.py" || one.Location.Lines.Begin != 7 {
		t.Errorf("%+v", one)
	}
}

func TestSummaryOfTests(t *testing.T) {
	var many []event.TestFailure
	for i := range maxSummaryTests + 1 {
		many = append(many, event.TestFailure{Name: fmt.Sprintf("t%d", i), Message: "<b>"})
	}
	text := summary(testsOf(t, many...))
	for _, want := range []string{"38 of 412 tests failed on linux/arm64</th>", "<code>t19</code>", "<code>&lt;b&gt;</code>", "<td>and 18 more</td>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the summary lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "t20") {
		t.Error("the summary has all tests")
	}
	if text := summary(Results{Tests: []Tests{{Total: 3}}}); !strings.Contains(text, "<p>0 of 3 tests failed</p>\n\n") {
		t.Errorf("no failure:\n%s", text)
	}
}
