package compile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/e2e/testbed/internal/report"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// argoModule is that of Argo Workflows.
const argoModule = "github.com/argoproj/argo-workflows/v4"

// ArgoPrograms are the programs of Argo Workflows that run workflows: its server and its
// command line are not needed for that.
var ArgoPrograms = []string{"argoexec", "workflow-controller"}

// ArgoBuild builds the programs of Argo Workflows, unless the cache has them. It returns
// the folder that holds them, and that of the manifests. The caller holds a lock.
func ArgoBuild(ctx context.Context, source, cache string, out *report.Reporter) (programs, manifests string, err error) {
	build := target{title: "Argo Workflows", folder: argoFolder, tags: "grpcnotrace", ldflags: "-s -w"}
	for _, name := range ArgoPrograms {
		build.packages = append(build.packages, argoModule+"/cmd/"+name)
	}
	if build.options, err = argoOptions(ctx, filepath.Join(source, argoFolder), cache); err != nil {
		return "", "", err
	}
	programs, sources, err := onDemand(ctx, source, cache, argoModule, build, out)
	return programs, filepath.Join(sources, "manifests"), err
}

// argoOptions makes a copy of the module with the file that its release v4.0.5 lacks in the
// module proxy, and returns the options with which it is built: signal_linux.go of the
// executor has what signal_darwin.go has. A file in the module cache cannot be overlaid.
func argoOptions(ctx context.Context, source, cache string) ([]string, error) {
	download := run.Command{Name: "go", Args: []string{"mod", "download", "-json", argoModule}, Dir: source, Env: []string{"GOWORK=off"}}
	text, err := download.Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("download Argo Workflows: %w", err)
	}
	var module struct{ Dir, Version string }
	if err := json.Unmarshal([]byte(text), &module); err != nil {
		return nil, fmt.Errorf("read where Argo Workflows is: %w", err)
	}
	const signals = "workflow/executor/osspecific/signal_"
	if _, err := os.Stat(filepath.Join(module.Dir, signals+"linux.go")); !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	folder := filepath.Join(cache, "argo-source-"+module.Version)
	err = once(folder, func(work string) error {
		if err := os.CopyFS(work, os.DirFS(module.Dir)); err != nil {
			return fmt.Errorf("copy Argo Workflows: %w", err)
		}
		content, err := os.ReadFile(filepath.Join(module.Dir, signals+"darwin.go"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, signals+"linux.go"), content, 0o644); err != nil {
			return err
		}
		for _, name := range []string{"go.mod", "go.sum"} {
			content, err := os.ReadFile(filepath.Join(source, name))
			if err != nil {
				return err
			}
			if name == "go.mod" {
				content = append(content, "\nreplace "+argoModule+" => "+folder+"\n"...)
			}
			if err := os.WriteFile(filepath.Join(work, "build"+filepath.Ext(name)), content, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
	return []string{"-modfile=" + filepath.Join(folder, "build.mod")}, err
}
