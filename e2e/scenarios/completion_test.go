package scenarios

import (
	"os/exec"
	"testing"
)

// TestCompletionInShells runs the script of the completions, which leaves out the
// shells that are not there: on the machine of the testbed all of them are.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if _, err := exec.LookPath(shell); err != nil {
			t.Fatalf("the testbed installs %s: %v", shell, err)
		}
	}
	script := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "^TestScripts$/^completion$", "./cmd/slipway")
	script.Dir = "../.."
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
}
