package variables

import (
	"strings"
	"testing"
)

// TestLookup has a row for every variable with a form: empty is not set, and
// neither is nonsense, which is reported.
func TestLookup(t *testing.T) {
	good := map[string][]string{
		"BUILDX_GIT_LABELS":          {"full", "1", "false"},
		"BUILDX_METADATA_PROVENANCE": {"min", "max", "disabled", "0"},
		"BUILDKIT_PROGRESS":          {"auto", "plain", "tty", "rawjson", "quiet", "none"},
		"DOCKER_DEFAULT_PLATFORM":    {"linux/arm64", "linux/amd64,linux/arm64"},
		"GIT_PULL_METHOD":            {"https", "http"},

		"DOCKER_METADATA_SHORT_SHA_LENGTH": {"1", "12", "64"},
	}
	forms := 0
	for _, v := range All {
		if v.Form == "" {
			continue
		}
		forms++
		read := func(value string) (got string, ok bool, reported int) {
			l := Lookup{Env: func(string) (string, bool) { return value, true }, Report: func(Variable, string) { reported++ }}
			got, ok = l.Value(v.Name)
			return got, ok, reported
		}
		values := good[v.Name]
		if values == nil {
			values = []string{"true", "false", "1", "0", "T"}
		}
		for _, value := range values {
			if got, ok, reported := read(value); got != value || !ok || reported != 0 {
				t.Errorf("%s=%s is %q, %v, with %d reports", v.Name, value, got, ok, reported)
			}
		}
		for _, value := range []string{"", " "} {
			if got, ok, reported := read(value); got != "" || ok || reported != 0 {
				t.Errorf("%s=%q is %q, %v, with %d reports; want it not set", v.Name, value, got, ok, reported)
			}
		}
		for _, value := range []string{"on", "yes", "xyz"} {
			if v.Name == "DOCKER_DEFAULT_PLATFORM" {
				continue // what it holds is for the flag to judge
			}
			if got, ok, reported := read(value); got != "" || ok || reported != 1 {
				t.Errorf("%s=%s is %q, %v, with %d reports; want it not set, with one", v.Name, value, got, ok, reported)
			}
		}
	}
	if forms < 10 {
		t.Errorf("%d variables have a form: the test overlooks some", forms)
	}
}

func TestLookupLeavesOthersAlone(t *testing.T) {
	l := Lookup{Env: func(name string) (string, bool) { return "", name == "EMPTY" }}
	if _, ok := l.Value("EMPTY"); !ok {
		t.Error("a variable of the user's that is empty is not set")
	}
	if _, ok := l.Value("ABSENT"); ok {
		t.Error("a variable that is not set is set")
	}
}

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range All {
		if seen[v.Name] {
			t.Errorf("%s stands twice", v.Name)
		}
		seen[v.Name] = true
		if v.Owner == "" || !strings.HasSuffix(v.Help, ".") {
			t.Errorf("%s has no owner or no sentence", v.Name)
		}
		if v.valid != nil && v.Form == "" {
			t.Errorf("%s has no form in words", v.Name)
		}
	}
}
