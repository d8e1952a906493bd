package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestNotes compares what an install prints with testdata/NAME/notes.txt. Helm 3
// prints notes only with a cluster: scenarios look at them there.
func TestNotes(t *testing.T) {
	all := programs(t)
	p := all[len(all)-1]
	for _, name := range []string{"minimal", "everything", "nothing-more", "gateway"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", name)
			out, err := p.Run(t.Context(), "install", "slipway", chartDir, "--dry-run=client", "--namespace", "buildkit", "--values", filepath.Join(dir, "values.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			_, notes, ok := strings.Cut(out, "\nNOTES:\n")
			if !ok {
				t.Fatalf("it prints no notes:\n%s", out)
			}
			golden(t, filepath.Join(dir, "notes.txt"), strings.TrimSpace(notes)+"\n")
		})
	}
}

// TestCommandsOfHelm tests that every command in the documentation that installs
// or upgrades does so in one form, and waits for longer than the hook may take.
func TestCommandsOfHelm(t *testing.T) {
	pages, err := filepath.Glob(root + "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, root+"README.md", "README.md.tmpl", chartDir+"/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "helm install ") && !strings.HasPrefix(line, "helm upgrade ") {
				continue
			}
			found++
			if !strings.HasPrefix(line, "helm upgrade --install slipway ") || !strings.Contains(line, " --timeout 5m") {
				t.Errorf("%s has %q, want helm upgrade --install slipway … --timeout 5m", page, strings.TrimSpace(line))
			}
		}
	}
	if found < 5 {
		t.Errorf("%d commands were found: the test overlooks some", found)
	}
}

// TestHookEndsBeforeHelm tests that the hook's Job fails with its reason before
// Helm, which waits for five minutes unless it is told otherwise, gives up.
func TestHookEndsBeforeHelm(t *testing.T) {
	const helmTimeout = 300
	for _, p := range programs(t) {
		out, err := p.Run(t.Context(), "template", "slipway", chartDir, "--values", "testdata/minimal/values.yaml", "--kube-version", kubeVersion, "--show-only", "templates/up.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var job struct {
			Spec struct {
				ActiveDeadlineSeconds int `yaml:"activeDeadlineSeconds"`
				BackoffLimit          int `yaml:"backoffLimit"`
				Template              struct {
					Spec struct {
						Containers []struct {
							Args                     []string
							TerminationMessagePolicy string `yaml:"terminationMessagePolicy"`
						}
					}
				}
			}
		}
		if err := yaml.Unmarshal([]byte(out), &job); err != nil {
			t.Fatal(err)
		}
		deadline := job.Spec.ActiveDeadlineSeconds
		if deadline == 0 || deadline > helmTimeout-15 || job.Spec.BackoffLimit != 0 {
			t.Errorf("%s: the Job may take %d s and %d tries more", p.Version, deadline, job.Spec.BackoffLimit)
		}
		for _, c := range job.Spec.Template.Spec.Containers {
			// A Job at its deadline removes its pods, and with them the reason.
			if want := fmt.Sprintf("--timeout=%ds", deadline-60); !slices.Contains(c.Args, want) || c.TerminationMessagePolicy != "FallbackToLogsOnError" {
				t.Errorf("%s: arguments %q without %s, or termination message policy %q", p.Version, c.Args, want, c.TerminationMessagePolicy)
			}
		}
	}
}

// TestValuesOfTheClustersPage tests that with the values of docs/clusters.md the
// pods of the chart ask for no user, which OpenShift gives them.
func TestValuesOfTheClustersPage(t *testing.T) {
	page, err := os.ReadFile(root + "docs/clusters.md")
	if err != nil {
		t.Fatal(err)
	}
	_, values, found := strings.Cut(string(page), "```yaml\n# values.yaml\n")
	values, _, ended := strings.Cut(values, "```")
	if !found || !ended {
		t.Fatal("the page has no values")
	}
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(values), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs(t) {
		out, err := p.Run(t.Context(), "template", "slipway", chartDir, "--values", "testdata/minimal/values.yaml", "--values", path, "--kube-version", kubeVersion, "--show-only", "templates/up.yaml", "--show-only", "templates/gc.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out, "runAsUser") || strings.Contains(out, "runAsGroup") || strings.Count(out, "runAsNonRoot: true") != 2 {
			t.Errorf("%s:\n%s", p.Version, out)
		}
	}
}
