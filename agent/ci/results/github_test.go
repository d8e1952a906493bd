package results

import "testing"

// TestGitHubOutput has values that are read as they are, and as one output.
func TestGitHubOutput(t *testing.T) {
	for _, value := range []string{"", "a", "a\nb", "a\n\n", "x<<y", "x\nslipway_\nevil=1", "evil=1", "\r\n"} {
		got, err := readGitHub(GitHubOutput("name", value))
		if err != nil || len(got) != 1 || got["name"] != value {
			t.Errorf("%q is read as %q, %v", value, got, err)
		}
	}
}

// TestGitHubOutputWithItsDelimiter has a value that holds the delimiters that come first.
func TestGitHubOutputWithItsDelimiter(t *testing.T) {
	n := 0
	random := func() string { n++; return string(rune('0' + n)) }
	if got := githubOutput("name", "a\nslipway_1\nslipway_2", random); got != "name<<slipway_3\na\nslipway_1\nslipway_2\nslipway_3\n" {
		t.Errorf("it is %q", got)
	}
}
