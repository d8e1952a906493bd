package output

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/target"
)

// cancelledContext has ended with errStreamEnded.
func cancelledContext(t *testing.T) (context.Context, func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStreamEnded)
	return ctx, func() { cancel(nil) }
}

// A build that was killed leaves its staging directory; the next one with that
// destination removes it. Builds that run keep theirs.
func TestStagingOfKilledBuild(t *testing.T) {
	const mark = "SLIPWAY_TEST_STAGING"
	if dest := os.Getenv(mark); dest != "" {
		p, err := outputPlan(t, dest)
		must(t, err)
		outputs, err := p.Begin(job.Job{})
		must(t, err)
		write(t, outputs.receivers.entries()[0].OutputDir, attrs("ro/half", "x"))
		must(t, os.Chmod(filepath.Join(outputs.receivers.entries()[0].OutputDir, "ro"), 0o555))
		fmt.Println("ready")
		_, err = io.Copy(io.Discard, os.Stdin) // until it is killed
		must(t, err)
		return
	}
	for _, exists := range []bool{true, false} {
		t.Run(fmt.Sprintf("dest exists: %v", exists), func(t *testing.T) {
			dir := t.TempDir()
			dest := filepath.Join(dir, "out")
			place := dir
			if exists {
				must(t, os.Mkdir(dest, 0o755))
				place = dest
			}
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestStagingOfKilledBuild$")
			cmd.Env = append(os.Environ(), mark+"="+dest, "TMPDIR="+t.TempDir()) // which it cannot remove
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			must(t, err)
			in, err := cmd.StdinPipe()
			must(t, err)
			defer closeQuietly(in)
			must(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil || line != "ready\n" {
				t.Fatalf("the other process says %q, %v", line, err)
			}
			if n := len(stagingDirs(t, place)); n != 1 {
				t.Fatalf("the other build has %d staging directories", n)
			}
			build := func() {
				p, err := outputPlan(t, dest)
				must(t, err)
				produce(t, p, false, attrs("a", "1"))
				must(t, p.Close())
			}
			build()
			if n := len(stagingDirs(t, place)); n != 1 {
				t.Errorf("beside a build that runs, %d staging directories are left", n)
			}
			must(t, cmd.Process.Kill())
			if err := cmd.Wait(); err == nil {
				t.Fatal("the other process was not killed")
			}
			must(t, os.MkdirAll(dest, 0o755)) // by somebody, meanwhile
			build()
			if left := stagingDirs(t, place); len(left) != 0 {
				t.Errorf("%q are left", left)
			}
		})
	}
}

// Whatever does not bear the lock of a build that was killed stays.
func TestStagingOfOthersStays(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs(
		target.StagingPrefix+"mine/file", "no lock",
		target.StagingPrefix+"link/lock", "->../elsewhere", "elsewhere", "x",
		target.StagingPrefix+"dir/lock/x", "a directory",
		target.StagingPrefix+"file", "no directory",
		"lock", "x",
	))
	if os.Geteuid() == 0 {
		write(t, dir, attrs(target.StagingPrefix+"foreign/lock", ""))
		must(t, os.Chown(filepath.Join(dir, target.StagingPrefix+"foreign", "lock"), 1234, 1234))
	}
	before := tree(t, dir)
	held, err := target.Stage(dir)
	must(t, err)
	other, err := target.Stage(dir)
	must(t, err)
	for _, d := range []*target.Staging{held, other} {
		if _, err := os.Lstat(filepath.Join(d.Path(), "lock")); err != nil {
			t.Errorf("it has not stayed: %v", err)
		}
		must(t, d.Remove())
	}
	after := tree(t, dir)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s has become %q", name, after[name])
		}
	}
	for name := range after {
		if _, known := before[name]; !known && !strings.HasSuffix(name, "/") {
			t.Errorf("%s is left", name)
		}
	}
}
