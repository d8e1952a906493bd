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
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

const tektonWork = "tekton"

// tekton starts Tekton's pipelines in the running cluster.
func (t testbed) tekton(ctx context.Context) error {
	return t.withTekton(ctx, func(c cluster.Cluster, s state.State, programs, manifests string) error {
		made, err := image.Maker{Programs: programs}.Tekton(compile.TektonPrograms)
		if err != nil {
			return err
		}
		tag, err := image.ShortDigest(made)
		if err != nil {
			return err
		}
		named := image.Named{Reference: registry + "tekton:" + tag, Image: made}
		if err := t.importInto(ctx, c, []image.Named{named}); err != nil {
			return err
		}
		text, err := tektonManifests(manifests, named.Reference, s.Images.Busybox)
		if err != nil {
			return err
		}
		if err := kubectlApply(ctx, s, text, "apply", "--server-side", "--force-conflicts"); err != nil {
			return err
		}
		for _, deployment := range []string{"controller", "webhook"} {
			wait := kubectl(s, "--namespace", "tekton-pipelines", "rollout", "status", "deployment/tekton-pipelines-"+deployment, "--timeout=180s")
			if err := wait.Quiet(ctx); err != nil {
				return fmt.Errorf("wait for Tekton's %s: %w", deployment, err)
			}
		}
		t.out.Line("Tekton %s runs in the namespace tekton-pipelines", compile.Tekton)
		return nil
	})
}

// tektonBuild builds what tekton starts, and starts nothing.
func (t testbed) tektonBuild(ctx context.Context) error {
	programs, _, err := t.tektonPrograms(ctx)
	if err != nil {
		return err
	}
	t.out.Line("the programs of Tekton %s are in %s", compile.Tekton, programs)
	return nil
}

// tektonDown removes it again.
func (t testbed) tektonDown(ctx context.Context) error {
	return t.withTekton(ctx, func(_ cluster.Cluster, s state.State, _, manifests string) error {
		text, err := tektonManifests(manifests, "none", "none")
		if err != nil {
			return err
		}
		return kubectlApply(ctx, s, text, "delete", "--ignore-not-found", "--timeout=120s")
	})
}

// tektonPrograms returns the folders of Tekton's programs and of its manifests.
func (t testbed) tektonPrograms(ctx context.Context) (programs, manifests string, err error) {
	unlock, err := cluster.Lock(ctx, t.cache, tektonWork, t.out)
	if err != nil {
		return "", "", err
	}
	defer unlock()
	return compile.TektonBuild(ctx, filepath.Join(t.source, "testbed", "components"), t.cache, t.out)
}

func (t testbed) withTekton(ctx context.Context, do func(c cluster.Cluster, s state.State, programs, manifests string) error) error {
	programs, manifests, err := t.tektonPrograms(ctx)
	if err != nil {
		return err
	}
	return t.change(ctx, func(c cluster.Cluster, s *state.State) error { return do(c, *s, programs, manifests) })
}

// tektonFiles are the manifests, in the order in which they are applied. There is no
// resolver, for nothing here reaches a hub.
var tektonFiles = []string{"100-namespace/*.yaml", "20[01]-*.yaml", "300-crds/*.yaml", "500-webhooks.yaml", "config-*.yaml", "controller.yaml", "webhook.yaml"}

// tektonManifests are the manifests with one image for all programs, and another one
// for a shell.
func tektonManifests(dir, reference, shell string) (string, error) {
	var all strings.Builder
	for _, pattern := range tektonFiles {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			return "", fmt.Errorf("find Tekton's manifests %s: %d files: %w", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			all.WriteString(adaptTekton(string(text), reference, shell) + "\n---\n")
		}
	}
	return all.String(), nil
}

// adaptTekton puts images into a manifest, and has Tekton's own containers pass the
// Pod Security Standard restricted.
func adaptTekton(manifest, reference, shell string) string {
	var out strings.Builder
	for line := range strings.Lines(manifest) {
		before, name, found := strings.Cut(strings.TrimRight(line, "\n"), "ko://github.com/tektoncd/pipeline/cmd/")
		switch indent, isImage := strings.CutSuffix(before, "image: "); {
		case found && isImage:
			line = fmt.Sprintf("%simage: %s\n%scommand: [/ko-app/%s]\n", indent, reference, indent, name)
		case found: // a flag: "-nop-image", "ko://…",
			_, rest, _ := strings.Cut(name, `"`)
			line = before + reference + `"` + rest + "\n"
		case strings.Contains(line, `"-shell-image", `):
			line = line[:strings.Index(line, `"-shell-image", `)] + `"-shell-image", "` + shell + "\",\n"
		case strings.HasPrefix(line, `  set-security-context: `):
			line = "  set-security-context: \"true\"\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

func kubectl(s state.State, args ...string) run.Command {
	return run.Command{Name: filepath.Join(s.BinDir, "kubectl"), Args: append([]string{"--kubeconfig", s.Kubeconfig}, args...)}
}

// kubectlApply runs a command of kubectl on objects.
func kubectlApply(ctx context.Context, s state.State, objects string, args ...string) error {
	command := kubectl(s, append(args, "-f", "-")...)
	command.Stdin = strings.NewReader(objects)
	return command.Quiet(ctx)
}
