package tagging

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// readOutputs reads the file GITHUB_OUTPUT as the runner does: NAME<<END, the lines of
// the value, END. The source is FileCommandManager.cs of github.com/actions/runner.
func readOutputs(t *testing.T, text string) map[string]string {
	t.Helper()
	found := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		name, end, ok := strings.Cut(lines[i], "<<")
		if !ok || name == "" || end == "" {
			t.Fatalf("line %d is no head of an output: %q", i, lines[i])
		}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != end; i++ {
		}
		if i == len(lines) {
			t.Fatalf("%s does not end", name)
		}
		found[name] = strings.Join(lines[begin:i], "\n")
	}
	return found
}

func TestPrintGitHub(t *testing.T) {
	hostile := "a\nslipway_\nEOF\ntags<<x\nb\n\n::set-output name=x::y"
	made := tagrule.Result{Version: "1", TagNames: []string{"1"}, Tags: []string{"a:1", "b:1"}, Labels: []tagrule.Pair{{Name: "x", Value: hostile}}}
	var out bytes.Buffer
	if err := Print(&out, made, GitHub); err != nil {
		t.Fatal(err)
	}
	got := readOutputs(t, out.String())
	if got["labels"] != "x="+hostile || got["tags"] != "a:1\nb:1" || got["version"] != "1" || len(got) != 6 {
		t.Errorf("%q", got)
	}
	var again bytes.Buffer
	if err := Print(&again, made, GitHub); err != nil {
		t.Fatal(err)
	}
	if again.String() == out.String() {
		t.Error("the line at which a value ends can be guessed")
	}
}

func TestAnnotations(t *testing.T) {
	made := tagrule.Result{Annotations: []string{"manifest:a=1", "index:a=1", "manifest:b=x:y=z", "manifest:c=1"}}
	for _, tt := range []struct{ given, want []string }{
		{nil, made.Annotations},
		{[]string{"a=2"}, []string{"index:a=1", "manifest:b=x:y=z", "manifest:c=1", "a=2"}},
		{[]string{"index,manifest:a=2"}, []string{"manifest:b=x:y=z", "manifest:c=1", "index,manifest:a=2"}},
		{[]string{"manifest:b=2"}, []string{"manifest:a=1", "index:a=1", "manifest:c=1", "manifest:b=2"}},
		{[]string{"manifest[linux/arm64]:c=2"}, append(slices.Clone(made.Annotations), "manifest[linux/arm64]:c=2")},
		{[]string{"nonsense"}, append(slices.Clone(made.Annotations), "nonsense")},
	} {
		if diff := cmp.Diff(tt.want, Annotations(made, tt.given)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.given, diff)
		}
	}
}

func TestMake(t *testing.T) {
	variables := ci.Variables{Buildkite: ci.Buildkite{Buildkite: "true"}}
	variables.Refs.Buildkite = ci.BuildkiteRef{Branch: "main", SHA: "860c1904a1ce19322e91ac35af1ab07466440c37"}
	var warned, noted []string
	in := Pipeline{
		Variables: variables,
		Warn:      func(line string) { warned = append(warned, line) },
		Note:      func(line string) { noted = append(noted, line) },
		ShortSHA:  "12",
	}
	made, err := Flags{Image: []string{"App"}, TagRule: []string{"type=sha"}, TagContext: []string{"sha=aaaaaaaaaaaaaaaa"}}.Make(in)
	if err != nil || !slices.Equal(made.Tags, []string{"app:sha-aaaaaaaaaaaa"}) || warned != nil {
		t.Errorf("%v, %v, %v", made.Tags, err, warned)
	}
	// --ci none and plain are about the log.
	plain, _, err := variables.Choose("plain")
	if err != nil {
		t.Fatal(err)
	}
	in.System = plain
	made, err = Flags{Image: []string{"a"}}.Make(in)
	if err != nil || !slices.Equal(made.Tags, []string{"a:main"}) {
		t.Errorf("%v, %v", made.Tags, err)
	}
	made, err = Flags{Image: []string{"a"}, TagContext: []string{"branch=x/y"}}.Make(in)
	if err != nil || !slices.Equal(made.Tags, []string{"a:x-y"}) || len(noted) != 1 {
		t.Errorf("%v, %v, %v", made.Tags, err, noted)
	}
	made, err = Flags{Image: []string{"a"}, TagRule: []string{"type=edge"}}.Make(in)
	if want := []string{"no tag: no rule applies to the branch main (event push)"}; err != nil || made.Tags != nil || !slices.Equal(warned, want) {
		t.Errorf("%v, %v, %v", made.Tags, err, warned)
	}
}
