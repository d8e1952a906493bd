package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/cluster"
	"github.com/slipway-build/slipway/e2e/testbed/internal/compile"
	"github.com/slipway-build/slipway/e2e/testbed/internal/image"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

const (
	argoWork      = "argo"
	argoNamespace = "argo"
)

// argo starts Argo Workflows in the running cluster: its controller, for all namespaces,
// with its default configuration.
func (t testbed) argo(ctx context.Context) error {
	return t.withArgo(ctx, func(c cluster.Cluster, s state.State, programs, manifests string) error {
		made, err := image.Maker{Programs: programs}.Argo(compile.ArgoPrograms)
		if err != nil {
			return err
		}
		tag, err := image.ShortDigest(made)
		if err != nil {
			return err
		}
		named := image.Named{Reference: registry + "argo:" + tag, Image: made}
		if err := t.importInto(ctx, c, []image.Named{named}); err != nil {
			return err
		}
		text, err := argoManifests(manifests, named.Reference)
		if err != nil {
			return err
		}
		if err := kubectlApply(ctx, s, text, "--namespace", argoNamespace, "apply", "--server-side", "--force-conflicts"); err != nil {
			return err
		}
		wait := kubectl(s, "--namespace", argoNamespace, "rollout", "status", "deployment/workflow-controller", "--timeout=180s")
		if err := wait.Quiet(ctx); err != nil {
			return fmt.Errorf("wait for the controller of Argo Workflows: %w", err)
		}
		t.out.Line("Argo Workflows %s runs in the namespace %s", compile.Argo, argoNamespace)
		return nil
	})
}

// argoBuild builds what argo starts, and starts nothing.
func (t testbed) argoBuild(ctx context.Context) error {
	programs, _, err := t.argoPrograms(ctx)
	if err != nil {
		return err
	}
	t.out.Line("the programs of Argo Workflows %s are in %s", compile.Argo, programs)
	return nil
}

// argoDown removes it again, with all workflows.
func (t testbed) argoDown(ctx context.Context) error {
	return t.withArgo(ctx, func(_ cluster.Cluster, s state.State, _, manifests string) error {
		text, err := argoManifests(manifests, "none")
		if err != nil {
			return err
		}
		return kubectlApply(ctx, s, text, "--namespace", argoNamespace, "delete", "--ignore-not-found", "--timeout=120s")
	})
}

// argoPrograms returns the folders of the programs of Argo Workflows and of its manifests.
func (t testbed) argoPrograms(ctx context.Context) (programs, manifests string, err error) {
	unlock, err := cluster.Lock(ctx, t.cache, argoWork, t.out)
	if err != nil {
		return "", "", err
	}
	defer unlock()
	return compile.ArgoBuild(ctx, filepath.Join(t.source, "testbed", "components"), t.cache, t.out)
}

func (t testbed) withArgo(ctx context.Context, do func(c cluster.Cluster, s state.State, programs, manifests string) error) error {
	programs, manifests, err := t.argoPrograms(ctx)
	if err != nil {
		return err
	}
	return t.change(ctx, func(c cluster.Cluster, s *state.State) error { return do(c, *s, programs, manifests) })
}

// argoFiles are the manifests, in the order in which they are applied: those of
// cluster-install without Argo's server. The resources of pipelines have their full
// schemas, by which the API server checks what a test creates.
var argoFiles = []string{
	"base/crds/full/argoproj.io_workflow*.yaml",
	"base/crds/minimal/argoproj.io_c*.yaml",
	"cluster-install-no-crds/workflow-controller-rbac/workflow-controller-*.yaml",
	"base/workflow-controller/workflow-*.yaml",
}

// argoManifests are the manifests with one image for both programs.
func argoManifests(dir, reference string) (string, error) {
	var all strings.Builder
	fmt.Fprintf(&all, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n---\n", argoNamespace)
	for _, pattern := range argoFiles {
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			return "", fmt.Errorf("find the manifests %s of Argo Workflows: %d files: %w", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			all.WriteString(adaptArgo(string(text), reference) + "\n---\n")
		}
	}
	return all.String(), nil
}

// adaptArgo puts the image into a manifest, for the controller and for the executor in the
// pods of workflows, and the namespace into bindings, where kustomize would put it.
func adaptArgo(manifest, reference string) string {
	var out strings.Builder
	account := false
	for line := range strings.Lines(manifest) {
		text := strings.TrimSpace(line)
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		switch {
		case strings.HasPrefix(text, "image: quay.io/argoproj/workflow-controller:"):
			line = indent + "image: " + reference + "\n"
		case text == "args: [ ]":
			line = indent + "args: [--executor-image, " + reference + "]\n"
		case account && strings.HasPrefix(text, "name: "):
			line = strings.TrimRight(line, "\n") + "\n" + indent + "namespace: " + argoNamespace + "\n"
		}
		account = text == "- kind: ServiceAccount"
		out.WriteString(line)
	}
	return out.String()
}
