// Command compat runs the scenarios on each supported version of Kubernetes in
// turn, and prints a table of what came of them. Run it in the e2e folder:
// go run ./compat. It needs what the testbed needs, and takes its cluster.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	versions := flag.String("versions", "", "versions of Kubernetes, with commas (default: those of go run ./testbed versions)")
	scenarios := flag.String("run", "", "only the scenarios that match, as go test -run takes it")
	limit := flag.Duration("limit", 50*time.Minute, "what the scenarios of one version may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := compare(ctx, strings.FieldsFunc(*versions, func(r rune) bool { return r == ',' }), *scenarios, *limit)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// compare runs the scenarios on the versions. A version on which the cluster does
// not start does not keep the others from their turn, and the cluster is down in
// the end.
func compare(ctx context.Context, versions []string, scenarios string, limit time.Duration) error {
	if len(versions) == 0 {
		text, err := command(ctx, "", "go", "run", "./testbed", "versions").Output()
		if err != nil {
			return fmt.Errorf("ask for the versions: %w", err)
		}
		versions = strings.Fields(string(text))
	}
	var results []result
	var failed error
	for _, version := range versions {
		r, err := on(ctx, version, scenarios, limit)
		failed = errors.Join(failed, err)
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
	}
	// With a context of its own: what was interrupted is taken down all the same.
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	defer cancel()
	return errors.Join(failed, run(down, "", "go", "run", "./testbed", "down"), table(os.Stdout, results))
}

// on runs the scenarios on one version.
func on(ctx context.Context, version, scenarios string, limit time.Duration) (result, error) {
	r := result{version: version}
	for _, step := range []string{"up", "peer"} {
		if err := run(ctx, version, "go", "run", "./testbed", step); err != nil {
			return r, fmt.Errorf("testbed %s with Kubernetes %s: %w", step, version, err)
		}
	}
	test := command(ctx, version, "go", "test", "-json", "-vet=off", "-count=1", "-timeout", limit.String(), "-run", scenarios, "./scenarios")
	out, err := test.StdoutPipe()
	if err != nil {
		return r, fmt.Errorf("run the scenarios: %w", err)
	}
	if err := test.Start(); err != nil {
		return r, fmt.Errorf("run the scenarios: %w", err)
	}
	read := r.read(out, os.Stdout)
	_, _ = io.Copy(io.Discard, out) // go test must not wait for a reader
	if err := errors.Join(read, test.Wait()); err != nil {
		return r, fmt.Errorf("scenarios on Kubernetes %s: %w", version, err)
	}
	return r, nil
}

// command prepares a program, for the cluster of a version where one is given.
func command(ctx context.Context, version, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute // scenarios take back what they changed on the machine
	cmd.Stderr = os.Stderr
	if version != "" {
		cmd.Env = append(os.Environ(), "TESTBED_KUBERNETES="+version)
	}
	return cmd
}

func run(ctx context.Context, version, name string, args ...string) error {
	cmd := command(ctx, version, name, args...)
	cmd.Stdout = os.Stdout
	return cmd.Run()
}
