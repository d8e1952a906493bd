// Package vcstest makes git work trees for tests.
package vcstest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/internal/filetest"
)

// Repository is a git work tree in a directory of its own.
func Repository(t *testing.T, commit bool) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatalf("the tests of git's facts need git: %v", err)
	}
	// Nothing of the machine's own settings.
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	t.Setenv("GIT_CONFIG_SYSTEM", "/dev/null")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	filetest.Write(t, dir, filetest.Map("Dockerfile", "FROM scratch", "sub/Dockerfile", "FROM scratch", "sub/f", "x", ".gitignore", "ignored"))
	Git(t, dir, "init", "-q", "-b", "main")
	if commit {
		Git(t, dir, "add", ".")
		Git(t, dir, "-c", "user.name=n", "-c", "user.email=e@x", "commit", "-q", "-m", "m")
	}
	return dir
}

// Git runs git in a directory and returns its output without the last line end.
func Git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
