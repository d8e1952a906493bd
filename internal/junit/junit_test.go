package junit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		text string
		want Report
	}{
		{
			// As Maven's surefire writes it.
			name: "surefire",
			text: `<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="app.SumTest" time="0.05" tests="4" errors="1" skipped="1" failures="1">
  <properties><property name="java.version" value="21"/></properties>
  <testcase name="adds" classname="app.SumTest" time="0.01"/>
  <testcase name="carries" classname="app.SumTest"><failure message="expected: &lt;2&gt; but was: &lt;1&gt;" type="org.opentest4j.AssertionFailedError"><![CDATA[at app]]></failure><system-out>failure</system-out></testcase>
  <testcase name="opens" classname="app.SumTest"><error type="java.io.IOException">
java.io.IOException: no such file
	at app.Sum.open</error></testcase>
  <testcase name="later" classname="app.SumTest"><skipped/></testcase>
</testsuite>`,
			want: Report{Tests: 4, Failed: 2, Skipped: 1, Failures: []Failure{
				{Name: "app.SumTest.carries", Message: "expected: <2> but was: <1>"}, {Name: "app.SumTest.opens", Message: "java.io.IOException: no such file"},
			}},
		},
		{
			// As pytest writes it with junit_family=xunit1.
			name: "pytest",
			text: `<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="0" failures="1" tests="2"><testcase classname="tests.test_sum" name="test_a" file="tests/test_sum.py" line="7"><failure message="assert 1 == 2">E</failure></testcase><testcase classname="tests.test_sum" name="test_b" file="tests/test_sum.py" line="x"/></testsuite></testsuites>`,
			want: Report{Tests: 2, Failed: 1, Failures: []Failure{{Name: "tests.test_sum.test_a", Message: "assert 1 == 2", File: "tests/test_sum.py", Line: 7}}},
		},
		{
			name: "suites in suites, with the file at the suite",
			text: `<testsuites><testsuite file="a.js"><testsuite><testcase name="a b" classname="a"><failure/></testcase></testsuite></testsuite><testsuite><testcase classname="only"><error message="&#10; x&#10;y"/><failure message="second"/></testcase></testsuite></testsuites>`,
			want: Report{Tests: 2, Failed: 2, Failures: []Failure{{Name: "a b", File: "a.js"}, {Name: "only", Message: "x"}}},
		},
		{
			name: "a failure that was tried again with success",
			text: `<testsuite><testcase name="a"><flakyFailure message="x"/><properties><failure/></properties></testcase></testsuite>`,
			want: Report{Tests: 1},
		},
		{
			name: "Latin-1",
			text: "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><testsuite><testcase name=\"\xfc\"><failure message=\"\xdf\"/></testcase></testsuite>",
			want: Report{Tests: 1, Failed: 1, Failures: []Failure{{Name: "ü", Message: "ß"}}},
		},
		{name: "no test", text: `<testsuites/>`},
		{
			name: "long texts",
			text: `<testsuite><testcase name="` + strings.Repeat("ü", 400) + `"><failure>` + strings.Repeat("é", 400) + `</failure></testcase></testsuite>`,
			want: Report{Tests: 1, Failed: 1, Failures: []Failure{{Name: strings.Repeat("ü", 250) + "...", Message: strings.Repeat("é", 250)}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(tt.text))
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("error %v, report (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"another file", `<project><testsuite/></project>`, ErrOther.Error()},
		{"no XML", "hello", ErrOther.Error()},
		{"nothing", "", ErrOther.Error()},
		{"half a report", `<testsuite><testcase name="a">`, "unexpected EOF"},
		{"an entity of its own", `<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>`, "invalid character entity"},
		{"too deep", `<testsuite>` + strings.Repeat("<a>", maxDepth), "nested more than"},
		{"too large", `<testsuite><system-out>` + strings.Repeat("x", MaxSize), "larger than 16 MiB"},
		{"an encoding", `<?xml version="1.0" encoding="utf-16"?><testsuite/>`, ErrOther.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Parse(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) || got.Tests > 0 {
				t.Errorf("%+v, error %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestAdd(t *testing.T) {
	var text strings.Builder
	text.WriteString("<testsuite>")
	for i := range MaxFailures + 1 {
		fmt.Fprintf(&text, `<testcase name="t%d"><failure/></testcase>`, i)
	}
	text.WriteString("</testsuite>")
	one, err := Parse(strings.NewReader(text.String()))
	if err != nil || len(one.Failures) != MaxFailures || one.Failed != MaxFailures+1 {
		t.Fatalf("%d failures of %d, %v", len(one.Failures), one.Failed, err)
	}
	sum := Report{Failures: []Failure{{Name: "first"}}, Failed: 1, Tests: 1}
	sum.Add(one)
	if len(sum.Failures) != MaxFailures || sum.Failed != MaxFailures+2 || sum.Failures[0].Name != "first" || sum.Failures[1].Name != "t0" {
		t.Errorf("%d failures of %d", len(sum.Failures), sum.Failed)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`<testsuites><testsuite file="a"><testcase name="a" classname="b" line="3"><failure message="m">t</failure><skipped/></testcase></testsuite></testsuites>`)
	f.Add("<?xml version=\"1.0\" encoding=\"latin1\"?><testsuite><testcase><error>\xff</error></testcase></testsuite>")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(strings.NewReader(text))
		if err != nil && r.Tests > 0 || r.Failed+r.Skipped > r.Tests || len(r.Failures) > r.Failed {
			t.Errorf("%+v, error %v", r, err)
		}
		if errors.Is(err, ErrOther) && strings.HasPrefix(text, "<testsuite>") {
			t.Error("a report is taken for something else")
		}
	})
}
