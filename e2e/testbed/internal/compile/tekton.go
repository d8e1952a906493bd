package compile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// tektonFolder is the module with Tekton's versions, below that of the components. Its
// graph asks for other versions of what the cluster's programs use, and few tests need
// it.
const tektonFolder = "tekton"

// tektonModule is that of Tekton's pipelines.
const tektonModule = "github.com/tektoncd/pipeline"

// TektonPrograms are the programs of Tekton's pipelines.
var TektonPrograms = []string{"controller", "entrypoint", "nop", "sidecarlogresults", "webhook", "workingdirinit"}

// TektonBuild builds the programs of Tekton's pipelines, unless the cache has them. It
// returns the folder that holds them, and that of the manifests. The caller holds a
// lock.
func TektonBuild(ctx context.Context, source, cache string, out *report.Reporter) (programs, manifests string, err error) {
	compiler, err := run.Output(ctx, "go", "env", "GOVERSION")
	if err != nil {
		return "", "", fmt.Errorf("ask for the Go version: %w", err)
	}
	build := target{title: "Tekton", folder: tektonFolder, tags: "grpcnotrace", ldflags: "-s -w"}
	for _, name := range TektonPrograms {
		build.packages = append(build.packages, tektonModule+"/cmd/"+name)
	}
	name, err := key(os.DirFS(filepath.Join(source, tektonFolder)), strings.TrimSpace(compiler), []target{build})
	if err != nil {
		return "", "", err
	}
	programs = filepath.Join(cache, "tekton-"+name)
	err = once(programs, func(work string) error { return build.build(ctx, source, work, "build 1 of 1", out) })
	if err != nil {
		return "", "", err
	}
	list := run.Command{Name: "go", Args: []string{"list", "-m", "-f", "{{.Dir}}", tektonModule}, Dir: filepath.Join(source, tektonFolder), Env: []string{"GOWORK=off"}}
	dir, err := list.Output(ctx)
	if err != nil {
		return "", "", fmt.Errorf("find the manifests of Tekton: %w", err)
	}
	return programs, filepath.Join(strings.TrimSpace(dir), "config"), nil
}
