package compile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// Programs builds everything that the cluster runs, unless the cache has it,
// and returns the folder that holds it.
func Programs(ctx context.Context, source, cache string, out *report.Reporter) (string, error) {
	compiler, err := run.Output(ctx, "go", "env", "GOVERSION")
	if err != nil {
		return "", fmt.Errorf("ask for the Go version: %w", err)
	}
	name, err := key(os.DirFS(source), strings.TrimSpace(compiler), targets)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "programs-"+name)
	err = once(folder, func(work string) error {
		for i, target := range targets {
			if err := target.build(ctx, source, work, fmt.Sprintf("build %d of %d", i+1, len(targets)), out); err != nil {
				return err
			}
		}
		return nameKubernetes(work)
	})
	return folder, err
}

func nameKubernetes(folder string) error {
	for _, link := range links {
		if err := os.Symlink("kube", filepath.Join(folder, link)); err != nil {
			return fmt.Errorf("name a Kubernetes program: %w", err)
		}
	}
	return nil
}

// Peer builds docker buildx, which the benchmarks and some scenarios compare
// with, unless the cache has it, and returns its path.
func Peer(ctx context.Context, cache string, out *report.Reporter) (string, error) {
	folder := filepath.Join(cache, "buildx-"+Buildx)
	err := once(folder, func(work string) error {
		begin := time.Now()
		out.Line("building docker buildx %s (about 4 minutes the first time)", Buildx)
		var seen atomic.Int64
		install := run.Command{
			Name:   "go",
			Args:   append(append([]string{"install", "-v"}, flags...), "-ldflags", "-s -w -X github.com/docker/buildx/version.Version="+Buildx, "github.com/docker/buildx/cmd/buildx@"+Buildx),
			Dir:    work, // outside of every module, so that its own go.mod counts
			Env:    []string{"CGO_ENABLED=0", "GOBIN=" + work, "GOFLAGS=-mod=mod", "GOWORK=off"},
			Stderr: lines(func(string) { seen.Add(1) }),
		}
		err := out.During(func() error { return install.Quiet(ctx) }, func() string {
			return fmt.Sprintf("docker buildx: %d modules and packages, %s gone", seen.Load(), report.Duration(time.Since(begin)))
		})
		if err != nil {
			return fmt.Errorf("build docker buildx %s: %w", Buildx, err)
		}
		return nil
	})
	return filepath.Join(folder, "buildx"), err
}

// Product builds the slipway binary of the module in folder into file. It
// returns false where the module has no command yet.
func Product(ctx context.Context, folder, file string) (bool, error) {
	if sources, err := filepath.Glob(filepath.Join(folder, "cmd", "slipway", "*.go")); err != nil || len(sources) == 0 {
		return false, err
	}
	build := run.Command{
		Name: "go",
		Args: append(append([]string{"build", "-buildvcs=false", "-tags", "grpcnotrace"}, flags...), "-ldflags", "-s -w", "-o", file, "./cmd/slipway"),
		Dir:  folder,
		Env:  []string{"CGO_ENABLED=0", "GOWORK=off"},
	}
	if _, err := build.Output(ctx); err != nil {
		return false, fmt.Errorf("build slipway from %s: %w", folder, err)
	}
	return true, nil
}

// Helper builds a program of the tests' own module, which is in source, into file.
func Helper(ctx context.Context, source, program, file string) error {
	build := run.Command{
		Name: "go",
		Args: append(append([]string{"build", "-buildvcs=false"}, flags...), "-ldflags", "-s -w", "-o", file, program),
		Dir:  source,
		Env:  []string{"CGO_ENABLED=0", "GOWORK=off"},
	}
	if _, err := build.Output(ctx); err != nil {
		return fmt.Errorf("build %s: %w", program, err)
	}
	return nil
}

// once makes a folder that is there whole or not at all. The caller holds a lock.
func once(folder string, fill func(work string) error) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look into the cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	work := folder + ".unfinished" // one that is there was left by a killed build
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("clear a folder in the cache: %w", err)
	}
	if err := os.Mkdir(work, 0o755); err != nil {
		return fmt.Errorf("make a folder in the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := fill(work); err != nil {
		return err
	}
	if err := os.Rename(work, folder); err != nil {
		return fmt.Errorf("keep %s: %w", folder, err)
	}
	return nil
}

func (t target) build(ctx context.Context, source, folder, count string, out *report.Reporter) error {
	environment := []string{"CGO_ENABLED=0", "GOWORK=off"}
	if t.cgo {
		environment[0] = "CGO_ENABLED=1"
	}
	options := append(append(flags[:len(flags):len(flags)], t.options...), "-tags", t.tags)
	out.Line("%s, %s: finding what must be compiled (downloads modules the first time)", count, t.title)
	listing := run.Command{
		Name: "go",
		Args: append(append([]string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}\t{{.Dir}}\t{{range .GoFiles}}{{.}}\t{{end}}{{end}}"}, options...), t.packages...),
		Dir:  filepath.Join(source, t.folder), Env: environment,
		Stderr: lines(func(line string) { out.Progress("%s, %s: %s", count, t.title, strings.TrimPrefix(line, "go: ")) }),
	}
	text, err := listing.Output(ctx)
	if err != nil {
		return fmt.Errorf("list the packages of %s: %w", t.title, err)
	}
	estimate := NewEstimate(sizes(text))
	begin := time.Now()
	out.Line("%s, %s: %d packages to compile", count, t.title, estimate.Packages())
	building := run.Command{
		Name: "go",
		Args: append(append(append([]string{"build", "-v", "-buildvcs=false"}, options...), "-ldflags", t.ldflags, "-o", folder+"/"), t.packages...),
		Dir:  filepath.Join(source, t.folder), Env: environment,
		Stderr: lines(estimate.Begin),
	}
	err = out.During(func() error { return building.Quiet(ctx) }, func() string {
		return fmt.Sprintf("%s, %s: %s", count, t.title, estimate.text(time.Since(begin)))
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", t.title, err)
	}
	out.Line("%s, %s: done in %s", count, t.title, report.Duration(time.Since(begin)))
	return nil
}

// sizes reads the listing: a package, its folder and its files on each line.
func sizes(listing string) map[string]int64 {
	all := map[string]int64{}
	for line := range strings.Lines(listing) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) < 2 {
			continue
		}
		var size int64
		for _, file := range fields[2:] {
			// A size only shapes the estimate: a file that cannot be read
			// will fail the build, with a better message.
			if info, err := os.Stat(filepath.Join(fields[1], file)); err == nil {
				size += info.Size()
			}
		}
		all[fields[0]] = size
	}
	return all
}

// lines hands each line that is written to it to a function.
type lines func(string)

func (l lines) Write(p []byte) (int, error) {
	// The go command writes whole lines; a piece of one only shapes a message.
	for scanner := bufio.NewScanner(strings.NewReader(string(p))); scanner.Scan(); {
		l(scanner.Text())
	}
	return len(p), nil
}

var _ io.Writer = lines(nil)
