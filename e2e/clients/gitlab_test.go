package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

const gitlabDir = "../../pipelines/gitlab"

// componentScript returns the script of the component's job, which no input is a part
// of.
func componentScript(t *testing.T) string {
	t.Helper()
	_, job, _ := strings.Cut(readFile(t, filepath.Join(gitlabDir, "templates/build/template.yml")), "\n---\n")
	var jobs map[string]struct{ Script []string }
	if err := yaml.Unmarshal([]byte(job), &jobs); err != nil {
		t.Fatal(err)
	}
	for _, one := range jobs {
		if len(one.Script) == 1 && !strings.Contains(one.Script[0], "$[[") {
			return one.Script[0]
		}
	}
	t.Fatal("the component has no job with one script that holds no input")
	return ""
}

// shells are those that run the script: of images of Debian, and of the image with a
// shell.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	bed, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{"sh": {"/bin/sh"}, "bash": {"/bin/bash"}}
	if busybox := bed.Base.Busybox["amd64"]; busybox != "" { // a foreign cluster's is not here
		all["busybox"] = []string{busybox, "sh"}
	}
	return all
}

// TestComponentArguments tests what the component's inputs become, in each shell.
func TestComponentArguments(t *testing.T) {
	t.Parallel()
	script, program := componentScript(t), t.TempDir()
	writeFile(t, filepath.Join(program, "slipway"), "#!/bin/sh\nprintf '%s\\0' \"$@\"\n", 0o755)
	array := func(items ...string) string {
		var out bytes.Buffer
		encoder := json.NewEncoder(&out) // it escapes <, > and &, as GitLab does
		if err := encoder.Encode(items); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	hostile := `$(touch pwned) ` + "`touch pwned`" + ` "; touch pwned; ' '\'' \ * %0A --push ` + "\n#é€ <>&\t\x01"
	for name, test := range map[string]struct {
		vars map[string]string
		want []string
		last string
		fail string
	}{
		"the defaults": {map[string]string{"INPUT_PUSH": "true", "INPUT_TAGS": array("$CI_REGISTRY_IMAGE:${CI_COMMIT_SHA}"), "INPUT_PLATFORMS": "[]\n"},
			[]string{"--push", "--tag=r.test/acme/app:abc"}, "", ""},
		"every input": {map[string]string{
			"INPUT_FILE": "sub/Dockerfile\n", "INPUT_TARGET": "app\n", "INPUT_BUILDER": "kube\n", "INPUT_PROVENANCE": "mode=max\n", "INPUT_SBOM": "true\n",
			"INPUT_PUSH": "false", "INPUT_NO_CACHE": "true", "INPUT_PULL": "true", "INPUT_PLATFORMS": array("linux/amd64", "linux/arm64"), "INPUT_TAGS": array("a:1", "a:2"),
			"INPUT_OUTPUTS": array("type=local,dest=out"), "INPUT_BUILD_ARGS": array("A=1", "B=a,b"), "INPUT_BUILD_CONTEXTS": array("base=docker-image://alpine"),
			"INPUT_LABELS": array("l=v"), "INPUT_ANNOTATIONS": array("index:a=b"), "INPUT_CACHE_FROM": array("a:cache"), "INPUT_CACHE_TO": array("type=registry,ref=a:cache,mode=max"),
			"INPUT_SECRETS": array("id=npm,env=NPM_TOKEN"), "INPUT_SSH": array("default"), "INPUT_FLAGS": array("--ulimit=nofile=1024", "--strict-platforms"), "INPUT_CONTEXT": "sub\n",
		}, []string{
			"--file=sub/Dockerfile", "--target=app", "--builder=kube", "--provenance=mode=max", "--sbom=true", "--no-cache", "--pull",
			"--platform=linux/amd64", "--platform=linux/arm64", "--tag=a:1", "--tag=a:2", "--output=type=local,dest=out", "--build-arg=A=1", "--build-arg=B=a,b",
			"--build-context=base=docker-image://alpine", "--label=l=v", "--annotation=index:a=b", "--cache-from=a:cache", "--cache-to=type=registry,ref=a:cache,mode=max",
			"--secret=id=npm,env=NPM_TOKEN", "--ssh=default", "--ulimit=nofile=1024", "--strict-platforms",
		}, "sub", ""},
		"tags by rules": {map[string]string{
			"INPUT_TAGS": "[]\n", "INPUT_TAGS_FROM": "ci\n", "INPUT_LABELS_FROM": "ci\n", "INPUT_ANNOTATIONS_FROM": "ci\n", "INPUT_IMAGES": array("$CI_REGISTRY_IMAGE/web"),
			"INPUT_TAG_RULES": array("type=semver,pattern={{version}}", `type=match,"pattern=^v\d{4,8}$",group=0`), "INPUT_TAG_FLAVOR": array("latest=false"),
		}, []string{
			"--tags-from=ci", "--labels-from=ci", "--annotations-from=ci", "--image=r.test/acme/app/web", "--tag-rule=type=semver,pattern={{version}}",
			`--tag-rule=type=match,"pattern=^v\d{4,8}$",group=0`, "--tag-flavor=latest=false",
		}, "", ""},
		"shell syntax": {map[string]string{"INPUT_BUILD_ARGS": array("A=" + strings.ReplaceAll(hostile, "$", "$$")), "INPUT_CONTEXT": "$$(touch pwned) 'x'\n", "INPUT_TARGET": "a;b\n"},
			[]string{"--target=a;b", "--build-arg=A=" + hostile}, "$(touch pwned) 'x'", ""},
		"syntax in a variable's value": {map[string]string{"INPUT_LABELS": array("m=$CI_COMMIT_MESSAGE"), "INPUT_CONTEXT": "$CI_COMMIT_MESSAGE\n"},
			[]string{"--label=m=fix \"quotes\", [\"--push\"] $HOME $(id)\nsecond ' line"}, "fix \"quotes\", [\"--push\"] $HOME $(id)\nsecond ' line", ""},
		"no variables":   {map[string]string{"INPUT_BUILD_ARGS": array("A=$$HOME", "B=$1 $ ${} $-", "C=$UNSET.", "$UNSET")}, []string{"--build-arg=A=$HOME", "--build-arg=B=$1 $ ${} $-", "--build-arg=C=."}, "", ""},
		"leading dashes": {map[string]string{"INPUT_TAGS": array("--push"), "INPUT_CONTEXT": "--push\n"}, []string{"--tag=--push"}, "--push", ""},
		"numbers":        {map[string]string{"INPUT_TAGS": "[1.0]\n"}, nil, "", "error: input tags: its items are strings: put those that are numbers, booleans or maps in quotes"},
		"no flag":        {map[string]string{"INPUT_FLAGS": array("-t x")}, nil, "", "error: input flags: -t x is no flag: it has the form --flag or --flag=value"},
		"a null byte":    {map[string]string{"INPUT_TAGS": "[\"a\\u0000b\"]\n"}, nil, "", "error: input tags: \\u0000 cannot be an argument"},
	} {
		for kind, shell := range shells(t) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:len(shell):len(shell)], "-e", "-c", script)...)
				cmd.Dir = t.TempDir()
				path := program + ":/usr/bin:/bin"
				if kind == "busybox" {
					applets := t.TempDir()
					if err := os.Symlink(shell[0], filepath.Join(applets, "awk")); err != nil {
						t.Fatal(err)
					}
					path = applets + ":" + path
				}
				cmd.Env = []string{"PATH=" + path, "CI_REGISTRY_IMAGE=r.test/acme/app", "CI_COMMIT_SHA=abc", "CI_COMMIT_MESSAGE=fix \"quotes\", [\"--push\"] $HOME $(id)\nsecond ' line", "INPUT_CONTEXT=.\n"}
				for name, value := range test.vars {
					cmd.Env = append(cmd.Env, name+"="+value)
				}
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				failed := (*exec.ExitError)(nil)
				if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
					t.Fatal(err)
				}
				if code := cmd.ProcessState.ExitCode(); test.fail != "" {
					if code != 2 || stdout.Len() > 0 || stderr.String() != test.fail+"\n" {
						t.Errorf("exit %d, %q, %q; want exit 2 and %q", code, &stdout, &stderr, test.fail)
					}
					return
				} else if code != 0 || stderr.Len() > 0 {
					t.Fatalf("exit %d: %s", code, &stderr)
				}
				last := test.last
				if last == "" {
					last = "."
				}
				want := append(append([]string{"build"}, test.want...), "--", last)
				if diff := cmp.Diff(want, strings.Split(strings.TrimSuffix(stdout.String(), "\x00"), "\x00")); diff != "" {
					t.Errorf("arguments (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestComponentPassesInputs tests that each input of the component is used, and that
// what is inserted into the text of the job cannot change what the text is.
func TestComponentPassesInputs(t *testing.T) {
	t.Parallel()
	head, job, _ := strings.Cut(readFile(t, filepath.Join(gitlabDir, "templates/build/template.yml")), "\n---\n")
	var spec struct {
		Spec struct {
			Inputs map[string]struct{ Type, Regex, Description string }
		}
	}
	if err := yaml.Unmarshal([]byte(head), &spec); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Spec.Inputs)) {
		input, use := spec.Spec.Inputs[name], "$[["+" inputs."+name+" ]]"
		if strings.Count(job, use) != 1 {
			t.Errorf("input %s is used %d times", name, strings.Count(job, use))
		}
		if input.Description == "" {
			t.Errorf("input %s has no description", name)
		}
		if inBlock := strings.Contains(job, "|\n        "+use+"\n"); inBlock && input.Type == "" && input.Regex != `^[^\n\r]*$` {
			t.Errorf("input %s may have several lines, and those after the first would be YAML", name)
		}
	}
}

// gitlab runs a pipeline with gitlab-ci-local on this machine.
func gitlab(t *testing.T, s *stand, dir string, vars map[string]string) ended {
	t.Helper()
	node, program, err := GitLabCILocal("programs/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	all := s.env()
	delete(all, "DOCKER_CONFIG") // the job's own variables are enough
	maps.Copy(all, map[string]string{
		// gitlab-ci-local says false, and names the directory of an executor with images.
		"GITLAB_CI": "true", "CI_PROJECT_DIR": dir, "CI_REGISTRY": s.Bed.Registry.Address, "CI_REGISTRY_IMAGE": s.Bed.Registry.Address + "/" + s.Name + "/gitlab",
		"CI_REGISTRY_USER": s.Bed.Registry.Username, "CI_REGISTRY_PASSWORD": s.Bed.Registry.Password,
	})
	maps.Copy(all, vars)
	args := []string{program, "--force-shell-executor", "--no-color", "--ignore-predefined-vars", "CI_PROJECT_DIR,CI_REGISTRY,CI_REGISTRY_IMAGE,GITLAB_CI"}
	for name, value := range all {
		args = append(args, "--variable", name+"="+value)
	}
	component, err := filepath.Abs(gitlabDir)
	if err != nil {
		t.Fatal(err)
	}
	project := repositoryOf(t, component)
	env := []string{
		"PATH=" + s.path() + ":" + filepath.Dir(node), "HOME=" + scratch,
		"GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=url." + project + ".insteadOf", "GIT_CONFIG_VALUE_0=ssh://git@gitlab.example:22/platform/slipway.git",
		"GIT_CONFIG_KEY_1=url." + project + ".insteadOf", "GIT_CONFIG_VALUE_1=git@gitlab.example:platform/slipway.git",
	}
	return runClient(t, dir, env, node, args...)
}

// repositoryOf makes a repository of what is in a directory, tagged 0.2.0.
func repositoryOf(t *testing.T, dir string) string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"slipway.yml", "templates/build/template.yml"} {
		files[name] = readFile(t, filepath.Join(dir, name))
	}
	made := repository(t, "git@gitlab.example:platform/slipway.git", files)
	if out, err := exec.CommandContext(t.Context(), "git", "-C", made, "tag", "0.2.0").CombinedOutput(); err != nil {
		t.Fatalf("git tag: %v\n%s", err, out)
	}
	return made
}

// TestGitLabPipelines runs the pipelines of pipelines/gitlab/examples: the next job gets
// the image that is in the registry, and the reports are there.
func TestGitLabPipelines(t *testing.T) {
	s := newStand(t)
	for _, name := range []string{"component", "include"} {
		t.Run(name, func(t *testing.T) {
			image := s.Bed.Registry.Address + "/" + s.Name + "/gitlab-" + name
			dir := repository(t, "git@gitlab.example:acme/app.git", map[string]string{
				".gitlab-ci.yml": readFile(t, filepath.Join(gitlabDir, "examples", name+".gitlab-ci.yml")), "Dockerfile": strings.Replace(machineDockerfile, "BASE=scratch", "BASE="+s.Bed.Registry.Base, 1),
			})
			log := gitlab(t, s, dir, map[string]string{"CI_REGISTRY_IMAGE": image}).with(t, 0)
			log.has(t, "json schema validated", "> "+image+"@"+s.only(t, "gitlab-"+name)+"\n")
			log.lacks(t, "WARN", s.Bed.Registry.Password)
			var links map[string][]struct {
				Link struct{ Label, URL string } `json:"external_link"`
			}
			if err := json.Unmarshal([]byte(readFile(t, filepath.Join(dir, ".slipway/gl-annotations.json"))), &links); err != nil || len(links) != 1 {
				t.Errorf("the annotations are %v, %v; want one list", links, err)
			}
			for _, all := range links {
				if len(all) != 1 || all[0].Link.URL != "https://gitlab.example/acme/app/container_registry" || !strings.HasPrefix(all[0].Link.Label, image) {
					t.Errorf("the links are %v, want one to the project's registry", all)
				}
			}
		})
	}
}

// component is a pipeline that includes the component with these inputs, in YAML.
func component(inputs string) string {
	return "include:\n  - component: gitlab.example/platform/slipway/build@0.2.0\n    inputs:\n" + inputs
}

// TestGitLabInputsArrive tests that values that YAML, JSON, a shell or GitLab itself would
// take for syntax arrive in the build as they are, and that what the build prints is no
// command of GitLab's log.
func TestGitLabInputsArrive(t *testing.T) {
	s := newStand(t)
	value := "it's $$(touch pwned) `touch pwned` \"quoted\"; --push: [a, b] # {c}\nlast\\ é"
	quoted, err := json.Marshal("VALUE=" + value)
	if err != nil {
		t.Fatal(err)
	}
	message := "fix \"quotes\", [\"--push\"] $(id)\nsecond ' line"
	dir := repository(t, "git@gitlab.example:acme/app.git", map[string]string{
		".gitlab-ci.yml": component("      push: false\n      tags: []\n      target: out\n      no-cache: true\n" +
			"      outputs: [\"type=local,dest=out\"]\n      file: \"the 'file' $$(touch pwned)\"\n" +
			"      build-args:\n        - BASE=" + s.Bed.Registry.Base + "\n        - " + string(quoted) + "\n        - MESSAGE=$MESSAGE\n"),
		"the 'file' $(touch pwned)": "ARG BASE=scratch\nFROM $BASE AS base\nARG VALUE MESSAGE\n" +
			"RUN printf '%s' \"$VALUE\" > /value && printf '%s' \"$MESSAGE\" > /message && printf '\\033[0Ksection_start:0:forged\\r\\033[0KForged\\nsection_start:0:forged\\n'\n" +
			"FROM scratch AS out\nCOPY --from=base /value /message /\n",
	})
	log := gitlab(t, s, dir, map[string]string{"MESSAGE": message}).with(t, 0)
	log.lacks(t, "forged_started", "Forged took", "forged took")
	if got := readFile(t, filepath.Join(dir, "out/value")); got != strings.ReplaceAll(value, "$$", "$") {
		t.Errorf("the build argument is %q, want %q", got, value)
	}
	if got := readFile(t, filepath.Join(dir, "out/message")); got != message {
		t.Errorf("the build argument from a variable is %q, want %q", got, message)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("a shell has run a part of an input")
	}
}

// TestGitLabTagsFromPipeline tests that the input tags-from tags by what the pipeline
// runs for, and that no tag of the default is added to tags: [].
func TestGitLabTagsFromPipeline(t *testing.T) {
	s := newStand(t)
	dir := repository(t, "git@gitlab.example:acme/app.git", map[string]string{
		".gitlab-ci.yml": component("      tags: []\n      tags-from: ci\n      images: [$CI_REGISTRY_IMAGE/web]\n" +
			"      tag-rules: [\"type=ref,event=branch\", \"type=raw,value=made-{{branch}}\"]\n      build-args: [BASE=" + s.Bed.Registry.Base + "]\n"),
		"Dockerfile": machineDockerfile,
	})
	gitlab(t, s, dir, map[string]string{"CI_REGISTRY_IMAGE": s.Bed.Registry.Address + "/" + s.Name + "/tags"}).with(t, 0)
	tags, err := s.images.Tags(t.Context(), s.Name+"/tags/web")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(tags)
	if diff := cmp.Diff([]string{"made-main", "main"}, tags); diff != "" {
		t.Errorf("the tags (-want +got):\n%s", diff)
	}
}

// TestGitLabFailure tests that a build that fails fails its job, and that the code quality
// report says where.
func TestGitLabFailure(t *testing.T) {
	s := newStand(t)
	dir := repository(t, "git@gitlab.example:acme/app.git", map[string]string{
		".gitlab-ci.yml": component("      push: false\n      tags: []\n      file: sub/Dockerfile\n      build-args: [BASE=" + s.Bed.Registry.Base + "]\n"),
		"sub/Dockerfile": machineDockerfile + "RUN echo it broke && exit 7\n",
	})
	log := gitlab(t, s, dir, nil).with(t, 1)
	log.has(t, "it broke", "slipway-build finished in", "FAIL")
	var report []struct {
		Severity string
		Location struct {
			Path  string
			Lines struct{ Begin int }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(dir, ".slipway/gl-code-quality-report.json"))), &report); err != nil {
		t.Fatal(err)
	}
	if len(report) != 1 || report[0].Location.Path != "sub/Dockerfile" || report[0].Location.Lines.Begin != 5 {
		t.Errorf("the code quality report is %+v, want one finding at sub/Dockerfile:5", report)
	}
}
