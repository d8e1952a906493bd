package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// kaniko is the executor of kaniko's last release, whose command lines Slipway takes. It
// has no builders: it builds in the agent's own container, whose files it replaces, so
// each of its builds gets an agent of its own.
var kaniko = tool{name: "kaniko", daemonless: true}

const (
	kanikoModule  = "github.com/GoogleContainerTools/kaniko"
	kanikoRelease = "v1.24.0"
	// access is where agents have the certificate and the credential of the registry.
	access = "/bench/registry"
)

// measures tells whether a row has a tool.
func (r row) measures(t tool) bool {
	return slices.ContainsFunc(r.tools, func(other tool) bool { return other.name == t.name })
}

// kanikoProgram builds kaniko's executor, once on a machine: it takes minutes.
func kanikoProgram(ctx context.Context) ([]byte, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the cache of kaniko's executor: %w", err)
	}
	dir := filepath.Join(cache, "slipway-tools", "kaniko-"+kanikoRelease)
	path := filepath.Join(dir, "executor")
	if _, err := os.Stat(path); err != nil {
		fmt.Printf("compiling kaniko's executor %s, once\n", kanikoRelease)
		source, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", kanikoModule+"@"+kanikoRelease).Output()
		var module struct{ Dir string }
		if err = errors.Join(err, json.Unmarshal(source, &module)); err != nil {
			return nil, fmt.Errorf("download kaniko: %w: %s", err, source)
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./cmd/executor")
		cmd.Dir = module.Dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compile kaniko's executor: %w: %s", err, out)
		}
	}
	return os.ReadFile(path)
}

// giveRegistry gives an agent the registry's certificate and credential, and both
// programs that take kaniko's command line: kaniko's own, and Slipway under its name.
func (s *stand) giveRegistry(ctx context.Context, t tool, pod string) error {
	config, err := registrytest.DockerConfigFor(s.bed.Registry)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(s.bed.Registry.CA)
	if err != nil {
		return fmt.Errorf("read the registry's root certificate: %w", err)
	}
	files := map[string]string{access + "/config.json": config, access + "/ca.pem": string(ca)}
	script := "ln -s $(command -v slipway) /bench/bin/executor"
	if t.name == kaniko.name {
		files["/bench/bin/executor"], script = string(s.kaniko), "chmod +x /bench/bin/executor && mkdir -p /kaniko"
	}
	for path, content := range files {
		if err := s.agents.WriteFile(ctx, pod, path, content); err != nil {
			return err
		}
	}
	_, err = s.agents.Run(ctx, "", "exec", pod, "--", "sh", "-c", script)
	return err
}

// kanikoProject is a project whose image has a stage for dependencies, which take time, and one for
// sources: n is the number of its commit.
func kanikoProject(dir string, n int) string {
	return fmt.Sprintf(`set -eu
rm -rf %[2]s && mkdir -p %[2]s
mkdir -p %[1]s
tree -dir %[1]s/src -files 500 -bytes 20000000 -seed 7
mkdir %[1]s/deps && head -c 1000000 /dev/zero > %[1]s/deps/archive
echo %[3]d > %[1]s/src/commit.txt
cat > %[1]s/Dockerfile <<'END'
ARG BASE
FROM ${BASE} AS build
COPY deps /deps
RUN i=0; while [ $i -lt 100 ]; do sha256sum /deps/archive > /deps/sum.$i; i=$((i+1)); done
COPY src /src
RUN cp /src/commit.txt /commit.txt
FROM ${BASE}
COPY --from=build /commit.txt /
END
sync`, dir, out, n)
}

// kanikoJob is the command line of a job, word for word the same for both programs.
func kanikoJob(dir, tag string, flags ...string) func(tool, place) []string {
	return func(t tool, at place) []string {
		command := []string{
			"/bench/bin/executor", "--context=dir://" + dir, "--build-arg=BASE=" + at.Base,
			"--destination=" + at.Repository + "/" + t.name + ":" + tag, "--digest-file=" + out + "/digest",
		}
		for _, flag := range flags {
			command = append(command, strings.ReplaceAll(flag, "REPOSITORY", at.Repository+"/"+t.name))
		}
		return command
	}
}

// kanikoEnv are the variables of the job.
func kanikoEnv(dir string, run int) []string {
	return append(job("team/job", dir, fmt.Sprint(run+1)), "SLIPWAY_BUILDER="+kube, "DOCKER_CONFIG="+access, "SSL_CERT_DIR="+access)
}

// kanikoCold is a job of kaniko's whose steps nobody has run before.
func kanikoCold(s scale) row {
	return row{
		name:  "job of kaniko's, nothing cached, image pushed, a fresh agent",
		tools: []tool{slipway, kaniko},
		goals: []goal{{against: kaniko, within: 1.3}}, // the steps take as long for both
		runs:  2 * s.heavy, warmUps: s.warmUps,
		fresh: true, registry: true,
		work: func(run int) work {
			dir := cloneDir("team/job", run)
			return work{
				prune: true, before: kanikoProject(dir, run), env: kanikoEnv(dir, run),
				command: kanikoJob(dir, "cold"), check: "test -s " + out + "/digest",
			}
		},
	}
}

// kanikoWarm is the next commit of the same project: kaniko has its cache in the
// registry, and Slipway that and the builder's.
func kanikoWarm(s scale) row {
	r := kanikoCold(s)
	r.name = "job of kaniko's, one file changed, cache in the registry, a fresh agent"
	r.goals = []goal{{against: kaniko, faster: 1}} // both push a cache
	r.warmUps = max(1, s.warmUps)                  // fills the cache
	r.work = func(run int) work {
		dir := cloneDir("team/job", run)
		return work{
			before: kanikoProject(dir, run), env: kanikoEnv(dir, run),
			command: kanikoJob(dir, "warm", "--cache", "--cache-copy-layers", "--cache-repo=REPOSITORY/cache"), check: "test -s " + out + "/digest",
		}
	}
	return r
}

// kanikoUncached is the next commit as most jobs of kaniko's build it: without --cache.
func kanikoUncached(s scale) row {
	r := kanikoWarm(s)
	r.name = "job of kaniko's, one file changed, without --cache, a fresh agent"
	r.goals = []goal{{against: kaniko, faster: 2}}
	r.work = func(run int) work {
		dir := cloneDir("team/job", run)
		return work{
			before: kanikoProject(dir, run), env: kanikoEnv(dir, run),
			command: kanikoJob(dir, "uncached"), check: "test -s " + out + "/digest",
		}
	}
	return r
}

// registryFiles are what a builder's definition needs of the registry; nil where the
// cluster has none.
func registryFiles(bed state.State) (map[string][]byte, error) {
	if bed.Registry.Address == "" {
		return nil, nil
	}
	return registrytest.BuilderFiles(bed.Registry)
}
