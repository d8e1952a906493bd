package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
	"github.com/slipway-build/slipway/e2e/testbed/internal/compile"
	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

const usage = `usage: go run ./testbed COMMAND

  up       start the cluster, or bring a running one up to date; builds what is missing
  down     end the cluster and take back everything that it changed on the machine
  status   tell what runs; exit 1 if the cluster is not healthy
  build    build what up needs, and start nothing
  versions tell the versions of Kubernetes on which all scenarios run
  agent    make the agent image again, after a change of slipway
  env      print what a shell needs to use it: eval "$(go run ./testbed env)"
  peer     build docker buildx and make the image that holds it
  tekton   build Tekton's pipelines and run them in the cluster; tekton-build only builds
           them, tekton-down removes them
  argo     the same with Argo Workflows; argo-build, argo-down
  kill     kill daemons, by the names that status tells
  restart  kill daemons and start them again as up did; wait until the cluster is healthy

  TESTBED_STATE  the folder of the running cluster (default: /var/lib/slipway-testbed)
  TESTBED_CACHE  the folder of what is built once (default: slipway-testbed in the user's cache)
  TESTBED_CGROUP the cgroup of all that it starts (default: slipway-testbed); give down the same
  TESTBED_KUBERNETES  the version of Kubernetes of up and build (default: the newest of versions)
  TESTBED_IP     the IP families of up's cluster: ipv4 (the default), ipv6, or dual, with IPv4 first

  Where TESTBED_KUBECONFIG names another cluster, scenarios use that one and up
  starts nothing; the package e2e/testbed/state says what else to set.`

// testbed is one call of this program.
type testbed struct {
	// source is the e2e module's folder, cache what is kept between clusters.
	source, cache string
	out           *report.Reporter
}

func command(ctx context.Context, args []string) error {
	commands := map[string]func(testbed, context.Context) error{
		"up":     testbed.up,
		"down":   testbed.down,
		"status": testbed.status,
		"build":  testbed.build,
		"agent":  testbed.agent,
		"peer":   testbed.peer,
		"env":    testbed.env,

		"versions":     testbed.versions,
		"tekton":       testbed.tekton,
		"tekton-build": testbed.tektonBuild,
		"tekton-down":  testbed.tektonDown,
		"argo":         testbed.argo,
		"argo-build":   testbed.argoBuild,
		"argo-down":    testbed.argoDown,
	}
	ofDaemons := map[string]func(testbed, context.Context, []string) error{
		"kill":    testbed.kill,
		"restart": testbed.restart,
	}
	known := len(args) == 1 && commands[args[0]] != nil || len(args) > 1 && ofDaemons[args[0]] != nil
	if !known {
		return fmt.Errorf("one command is needed, and names of daemons with kill and restart\n%s", usage)
	}
	t, err := newTestbed(ctx)
	if err != nil {
		return err
	}
	if work := ofDaemons[args[0]]; work != nil {
		return work(t, ctx, args[1:])
	}
	// A cluster that is not ours is used as it is, with the images it was
	// given.
	if other := os.Getenv("TESTBED_KUBECONFIG"); other != "" && slices.Contains([]string{"up", "agent", "peer", "tekton", "tekton-build", "tekton-down", "argo", "argo-build", "argo-down"}, args[0]) {
		t.out.Line("nothing to do: TESTBED_KUBECONFIG names the cluster of %s", other)
		return nil
	}
	return commands[args[0]](t, ctx)
}

func newTestbed(ctx context.Context) (testbed, error) {
	folder, err := run.Output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/slipway-build/slipway/e2e")
	if err != nil {
		return testbed{}, fmt.Errorf("find the module of the testbed: %w\nhint: run it in the e2e folder of the repository", err)
	}
	cache := os.Getenv("TESTBED_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return testbed{}, fmt.Errorf("find the user's cache: %w\nhint: set TESTBED_CACHE to a folder", err)
		}
		cache = filepath.Join(user, "slipway-testbed")
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return testbed{}, fmt.Errorf("find the cache: %w", err)
	}
	return testbed{source: strings.TrimSpace(folder), cache: cache, out: report.New(os.Stdout)}, nil
}

func (t testbed) cluster() (cluster.Cluster, error) {
	folder, err := filepath.Abs(state.Dir())
	if err != nil {
		return cluster.Cluster{}, fmt.Errorf("find the state folder: %w", err)
	}
	version := cmp.Or(os.Getenv(kubernetesVariable), compile.Kubernetes)
	if err := compile.CheckKubernetes(version); err != nil {
		return cluster.Cluster{}, fmt.Errorf("%s: %w", kubernetesVariable, err)
	}
	families, err := cluster.ParseFamilies(os.Getenv(familiesVariable))
	if err != nil {
		return cluster.Cluster{}, fmt.Errorf("%s: %w", familiesVariable, err)
	}
	c := cluster.Cluster{
		State: folder, Debian: filepath.Join(t.cache, "debian"), Pause: pauseReference, Out: t.out,
		Kubernetes: version, Families: families, ArchWebhook: filepath.Join(t.cache, "archwebhook"),
	}
	return c, c.Check()
}

// What up starts: the version of Kubernetes, and its IP families.
const (
	kubernetesVariable = "TESTBED_KUBERNETES"
	familiesVariable   = "TESTBED_IP"
)

// asStarted is the cluster with the programs that it was started with.
func asStarted(c cluster.Cluster, s state.State) cluster.Cluster {
	c.Programs, c.Kubernetes, c.Families = s.BinDir, s.Versions["kubernetes"], cluster.Families(s.Families)
	return c
}

func (t testbed) versions(context.Context) error {
	for _, version := range compile.Supported() {
		fmt.Println(version)
	}
	return nil
}
