package results

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// agentSays puts a program into PATH that does what a script says.
func agentSays(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "it"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestRunProgram(t *testing.T) {
	to := filepath.Join(t.TempDir(), "to")
	agentSays(t, `{ printf '<%s>' "$@"; cat; } > `+to)
	if err := RunProgram(t.Context(), "it", []string{"set", "a b", "$(id)"}, "the\nvalue"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, to); got != "<set><a b><$(id)>the\nvalue" {
		t.Errorf("%q", got)
	}
}

func TestRunProgramThatFails(t *testing.T) {
	agentSays(t, `yes | head -n 100000; echo why >&2; echo; exit 3`)
	if err := RunProgram(t.Context(), "it", nil, ""); err == nil || err.Error() != "exit status 3: why" {
		t.Errorf("%v", err)
	}
	if err := RunProgram(t.Context(), "no-such-program", nil, ""); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// A program that hangs is ended, and so is the wait for what it has started.
func TestRunProgramThatHangs(t *testing.T) {
	agentSays(t, "sleep 60 & sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := RunProgram(ctx, "it", nil, ""); err == nil || !strings.Contains(err.Error(), "did not end in time") || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}
