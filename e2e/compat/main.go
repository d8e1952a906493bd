// Command compat runs the scenarios on each supported version of Kubernetes in
// turn, and those about networks with IPv6 on the newest, and prints a table of
// what came of them. Run it in the e2e folder:
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
	clusters := flag.String("clusters", "", "versions of Kubernetes with commas, with IP families as in v1.37.2/ipv6 (default: those of go run ./testbed versions, and the last with /dual and /ipv6)")
	scenarios := flag.String("run", "", "only the scenarios that match, as go test -run takes it")
	limit := flag.Duration("limit", 50*time.Minute, "what the scenarios of one version may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := compare(ctx, strings.FieldsFunc(*clusters, func(r rune) bool { return r == ',' }), *scenarios, *limit)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// overIPv6 are the scenarios that show IPv6, or both families, for each way to a
// builder, registries and the chart.
const overIPv6 = "^(TestBothArchitecturesFromNothing|TestRemoteDriver|TestDirectIsTheDefault|TestPortForwardWithoutExec|TestDirectBlocked|TestRolesMadeForBuildx|" +
	"TestContextFromGit|TestPushesLikeBuildx|TestEachSourceOfCredentialsAlone|TestTheDoctorOfAGoodBuilder|TestChart)$"

// compare runs the scenarios on the clusters. One that does not start does not
// keep the others from their turn, and the cluster is down in the end.
func compare(ctx context.Context, clusters []string, scenarios string, limit time.Duration) error {
	if len(clusters) == 0 {
		text, err := command(ctx, "", "go", "run", "./testbed", "versions").Output()
		if err != nil {
			return fmt.Errorf("ask for the versions: %w", err)
		}
		clusters = strings.Fields(string(text))
		newest := clusters[len(clusters)-1]
		clusters = append(clusters, newest+"/dual", newest+"/ipv6")
	}
	var results []result
	var failed error
	for _, cluster := range clusters {
		r, err := on(ctx, cluster, scenarios, limit)
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

// on runs the scenarios on one cluster.
func on(ctx context.Context, cluster, scenarios string, limit time.Duration) (result, error) {
	r := result{cluster: cluster}
	if scenarios == "" && strings.Contains(cluster, "/") {
		scenarios = overIPv6
	}
	for _, step := range []string{"up", "peer"} {
		if err := run(ctx, cluster, "go", "run", "./testbed", step); err != nil {
			return r, fmt.Errorf("testbed %s with Kubernetes %s: %w", step, cluster, err)
		}
	}
	test := command(ctx, cluster, "go", "test", "-json", "-vet=off", "-count=1", "-timeout", limit.String(), "-run", scenarios, "./scenarios")
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
		return r, fmt.Errorf("scenarios on Kubernetes %s: %w", cluster, err)
	}
	return r, nil
}

// command prepares a program, for a cluster where one is given.
func command(ctx context.Context, cluster, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute // scenarios take back what they changed on the machine
	cmd.Stderr = os.Stderr
	if cluster != "" {
		version, families, _ := strings.Cut(cluster, "/")
		cmd.Env = append(os.Environ(), "TESTBED_KUBERNETES="+version, "TESTBED_IP="+families)
	}
	return cmd
}

func run(ctx context.Context, cluster, name string, args ...string) error {
	cmd := command(ctx, cluster, name, args...)
	cmd.Stdout = os.Stdout
	return cmd.Run()
}
