package compile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// The modules with the versions of CI systems, below that of the components. Their graphs
// ask for other versions of what the cluster's programs use, and few tests need them.
const (
	argoFolder   = "argo"
	tektonFolder = "tekton"
)

// isOnDemand says whether a folder of the components is compiled by itself.
func isOnDemand(folder string) bool {
	return slices.Contains([]string{argoFolder, tektonFolder}, folder)
}

// onDemand builds programs of a module, unless the cache has them. It returns the folder
// that holds them, and that of the module's sources. The caller holds a lock.
func onDemand(ctx context.Context, source, cache, module string, build target, out *report.Reporter) (programs, sources string, err error) {
	compiler, err := run.Output(ctx, "go", "env", "GOVERSION")
	if err != nil {
		return "", "", fmt.Errorf("ask for the Go version: %w", err)
	}
	name, err := key(os.DirFS(filepath.Join(source, build.folder)), strings.TrimSpace(compiler), []target{build})
	if err != nil {
		return "", "", err
	}
	programs = filepath.Join(cache, build.folder+"-"+name)
	err = once(programs, func(work string) error { return build.build(ctx, source, work, "build 1 of 1", out) })
	if err != nil {
		return "", "", err
	}
	list := run.Command{Name: "go", Args: []string{"list", "-m", "-f", "{{.Dir}}", module}, Dir: filepath.Join(source, build.folder), Env: []string{"GOWORK=off"}}
	dir, err := list.Output(ctx)
	if err != nil {
		return "", "", fmt.Errorf("find the manifests of %s: %w", build.title, err)
	}
	return programs, strings.TrimSpace(dir), nil
}
