package clients

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestReadmeShowsTheFiles tests that examples in the README that a link to a file of
// pipelines/github or pipelines/gitlab introduces are that file.
func TestReadmeShowsTheFiles(t *testing.T) {
	t.Parallel()
	example := regexp.MustCompile("(?m)^[^\n]*\\]\\((pipelines/git[^)]+)\\)[^\n]*:\n\n```yaml\n((?s:.*?))```$")
	shown := example.FindAllStringSubmatch(readFile(t, "../../README.md"), -1)
	if len(shown) != 2 {
		t.Errorf("the README shows %d files of pipelines for GitHub and GitLab, want 2", len(shown))
	}
	for _, one := range shown {
		if diff := cmp.Diff(readFile(t, filepath.Join("../..", one[1])), one[2]); diff != "" {
			t.Errorf("the README and %s (-file +README):\n%s", one[1], diff)
		}
	}
}

// TestVersionsOfPipelines tests that the files name the release that they are part of.
func TestVersionsOfPipelines(t *testing.T) {
	t.Parallel()
	release := regexp.MustCompile(`(?m)^appVersion: (.*)$`).FindStringSubmatch(readFile(t, "../../charts/slipway/Chart.yaml"))[1]
	line, version := regexp.MustCompile(`(?m)^.*(?:slipway|ref: ).*$`), regexp.MustCompile(`\d+\.\d+\.\d+`)
	found := 0
	for _, dir := range []string{"github", "gitlab"} {
		err := filepath.WalkDir(filepath.Join("../../pipelines", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			for _, one := range line.FindAllString(readFile(t, path), -1) {
				for _, named := range version.FindAllString(one, -1) {
					found++
					if named != release {
						t.Errorf("%s names %s, and the release is %s: %s", path, named, release, one)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 8 {
		t.Errorf("the files name %d versions of Slipway: the test overlooks some", found)
	}
}

// rule is a rule of a role.
type rule struct {
	APIGroups     []string `yaml:"apiGroups"`
	Resources     []string
	ResourceNames []string `yaml:"resourceNames"`
	Verbs         []string
}

// rights lists what rules allow, one right each.
func rights(rules []rule) []string {
	var all []string
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					all = append(all, strings.Join([]string{verb, group, resource, strings.Join(r.ResourceNames, ",")}, " "))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// TestRightsOfRunners tests that runners get the rights of the chart's role for builds,
// and with them the certificates of the builders' clients.
func TestRightsOfRunners(t *testing.T) {
	t.Parallel()
	var chart map[string][]rule
	if err := yaml.Unmarshal([]byte(readFile(t, "../../charts/slipway/files/rbac.yaml")), &chart); err != nil {
		t.Fatal(err)
	}
	certificates := rule{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"builder-amd64-tls-client", "builder-arm64-tls-client"}, Verbs: []string{"get"}}
	want := rights(append(chart["build"], certificates))
	for _, dir := range []string{"github", "gitlab"} {
		var got []string
		for document := range strings.SplitSeq(readFile(t, filepath.Join("../../pipelines", dir, "rbac.yaml")), "\n---\n") {
			var object struct{ Rules []rule }
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			got = append(got, rights(object.Rules)...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the rights of pipelines/%s/rbac.yaml (-chart +file):\n%s", dir, diff)
		}
	}
}

// TestRunnerPod tests that the API server takes the pod of a runner of GitHub.
func TestRunnerPod(t *testing.T) {
	s := newStand(t)
	var values struct{ Template map[string]any }
	if err := yaml.Unmarshal([]byte(readFile(t, "../../pipelines/github/arc/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	values.Template["apiVersion"], values.Template["kind"], values.Template["metadata"] = "v1", "Pod", map[string]string{"name": "runner"}
	pod, err := yaml.Marshal(values.Template)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), string(pod), "create", "--dry-run=server", "-f", "-"); err != nil {
		t.Error(err)
	}
}

// TestActionTakesTheInputsOfBuildPushAction tests that action.yml has all inputs and
// outputs of docker/build-push-action v7, and passes each to the script.
func TestActionTakesTheInputsOfBuildPushAction(t *testing.T) {
	t.Parallel()
	const names = "add-hosts allow annotations attests build-args build-contexts builder cache-from cache-to call cgroup-parent context file github-token labels load network no-cache no-cache-filters outputs platforms provenance pull push sbom secret-envs secret-files secrets shm-size ssh tags target ulimit"
	var action struct {
		Inputs, Outputs map[string]struct{ Description string }
		Runs            struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(actionDir, "action.yml"))), &action); err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(names) {
		if _, ok := action.Inputs[name]; !ok {
			t.Errorf("no input %s", name)
		}
	}
	for _, name := range []string{"imageid", "digest", "metadata"} {
		if _, ok := action.Outputs[name]; !ok {
			t.Errorf("no output %s", name)
		}
	}
	script := readFile(t, filepath.Join(actionDir, "build.sh"))
	for name, input := range action.Inputs {
		variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if got := action.Runs.Steps[0].Env["INPUT_"+variable]; got != "${{ inputs."+name+" }}" {
			t.Errorf("the variable of input %s holds %q", name, got)
		}
		if !regexp.MustCompile(`\b` + variable + `\b`).MatchString(script) {
			t.Errorf("the script does not read input %s", name)
		}
		if input.Description == "" {
			t.Errorf("input %s has no description", name)
		}
	}
	// What is put into the script's text is parsed by a shell.
	if run := action.Runs.Steps[0].Run; strings.Contains(run, "${{") || len(action.Runs.Steps) != 1 {
		t.Errorf("the step runs %q", run)
	}
	if info, err := os.Stat(filepath.Join(actionDir, "build.sh")); err != nil || info.Mode()&0o111 != 0o111 {
		t.Errorf("build.sh cannot be run: %v, %v", info.Mode(), err)
	}
}
