package compile

import (
	"context"
	"path/filepath"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
)

// tektonModule is that of Tekton's pipelines.
const tektonModule = "github.com/tektoncd/pipeline"

// TektonPrograms are the programs of Tekton's pipelines.
var TektonPrograms = []string{"controller", "entrypoint", "nop", "sidecarlogresults", "webhook", "workingdirinit"}

// TektonBuild builds the programs of Tekton's pipelines, unless the cache has them. It
// returns the folder that holds them, and that of the manifests. The caller holds a
// lock.
func TektonBuild(ctx context.Context, source, cache string, out *report.Reporter) (programs, manifests string, err error) {
	build := target{title: "Tekton", folder: tektonFolder, tags: "grpcnotrace", ldflags: "-s -w"}
	for _, name := range TektonPrograms {
		build.packages = append(build.packages, tektonModule+"/cmd/"+name)
	}
	programs, sources, err := onDemand(ctx, source, cache, tektonModule, build, out)
	return programs, filepath.Join(sources, "config"), err
}
