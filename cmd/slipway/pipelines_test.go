package main

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

// pipelineSystems are the directories below pipelines whose agents are pods.
var pipelineSystems = []string{"argo", "jenkins", "tekton", "woodpecker"}

type rule struct {
	APIGroups     []string `yaml:"apiGroups"`
	Resources     []string `yaml:"resources"`
	ResourceNames []string `yaml:"resourceNames"`
	Verbs         []string `yaml:"verbs"`
}

// TestRightsOfPipelines compares the rights of agents in pipelines/ with those of the
// chart's role build.
func TestRightsOfPipelines(t *testing.T) {
	var chart map[string][]rule
	readYAML(t, "../../charts/slipway/files/rbac.yaml", &chart)
	want := chart["build"]
	for _, rule := range chart["readCertificates"] {
		rule.ResourceNames = []string{"builder-amd64-tls-client", "builder-arm64-tls-client"}
		want = append(want, rule)
	}
	for _, system := range pipelineSystems {
		text, err := os.ReadFile(filepath.Join("../../pipelines", system, "rbac.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, document := range strings.Split(string(text), "\n---\n") {
			var role struct {
				Kind     string
				Metadata struct{ Name string }
				Rules    []rule
			}
			if err := yaml.Unmarshal([]byte(document), &role); err != nil {
				t.Fatalf("%s: %v", system, err)
			}
			if role.Kind != "Role" || role.Metadata.Name != "slipway-build" {
				continue
			}
			found = true
			if diff := cmp.Diff(want, role.Rules); diff != "" {
				t.Errorf("pipelines/%s/rbac.yaml (-chart +file):\n%s", system, diff)
			}
		}
		if !found {
			t.Errorf("pipelines/%s/rbac.yaml has no role slipway-build", system)
		}
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// anyVersion stands in a page or a message for the version that a reader chooses.
const anyVersion = "VERSION"

// TestImagesOfPipelines tests that pipelines and pages name the image of the release
// that is being made, as the chart does.
func TestImagesOfPipelines(t *testing.T) {
	var chart struct {
		AppVersion string `yaml:"appVersion"`
	}
	readYAML(t, "../../charts/slipway/Chart.yaml", &chart)
	image := regexp.MustCompile(`ghcr\.io/slipway-build/slipway:([\w.+-]*)`)
	pages := map[string]int{} // how many images were found, by directory
	for _, root := range []string{"README.md", "docs", "pipelines"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			for _, match := range image.FindAllStringSubmatch(string(text), -1) {
				pages[root]++
				version := strings.TrimSuffix(strings.TrimSuffix(strings.TrimRight(match[1], ".-"), "-debug"), "-kaniko")
				if version != chart.AppVersion && version != anyVersion {
					t.Errorf("%s names %s, and the release is %s", file, match[0], chart.AppVersion)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if pages["README.md"] < 1 || pages["docs"] < 5 || pages["pipelines"] < 8 {
		t.Errorf("the test overlooks some images: it has found %v", pages)
	}
}

// notOfTheJenkinsLibrary are the flags of build that are no parameters of slipwayBuild,
// and why.
var notOfTheJenkinsLibrary = map[string]string{
	"call":            "it prints something else than the metadata",
	"check":           "it prints something else than the metadata",
	"dry-run":         "it prints something else than the metadata",
	"show-build-args": "it is for --dry-run",
	"quiet":           "it prints the image ID where the metadata goes",
	"metadata-file":   "the step returns the metadata",
	"iidfile":         "the step returns the image ID",
}

// TestFlagsOfTheJenkinsLibrary tests that the parameters of slipwayBuild are flags of
// build or of all commands, and are described, and that each flag of build is a parameter.
func TestFlagsOfTheJenkinsLibrary(t *testing.T) {
	library, err := os.ReadFile("../../pipelines/jenkins/vars/slipwayBuild.groovy")
	if err != nil {
		t.Fatal(err)
	}
	help, err := os.ReadFile("../../pipelines/jenkins/vars/slipwayBuild.txt")
	if err != nil {
		t.Fatal(err)
	}
	commands, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	global, _, _ := strings.Cut(string(commands), "\n## slipway ")
	_, build, _ := strings.Cut(string(commands), "\n## slipway build\n")
	build, _, _ = strings.Cut(build, "\n## ")
	flags := regexp.MustCompile("--([a-z-]+)[=`]").FindAllStringSubmatch(build+global, -1)
	known := make([]string, len(flags))
	for i, flag := range flags {
		known[i] = flag[1]
	}
	parameters := regexp.MustCompile(`(?m)^  (\w+): \['([a-z-]+)', '\w+'\]`).FindAllStringSubmatch(string(library), -1)
	if len(parameters) < 30 {
		t.Fatalf("only %d parameters were found", len(parameters))
	}
	taken := map[string]bool{}
	for _, parameter := range parameters {
		taken[parameter[2]] = true
	}
	for _, flag := range regexp.MustCompile("(?m)^\\| `(?:-., )?--([a-z-]+)[=`]").FindAllStringSubmatch(build, -1) {
		if _, except := notOfTheJenkinsLibrary[flag[1]]; taken[flag[1]] == except {
			t.Errorf("--%s: a parameter of slipwayBuild: %t, an exception: %t", flag[1], taken[flag[1]], except)
		}
	}
	words := regexp.MustCompile(`\w+`).FindAllString(string(help), -1)
	for _, parameter := range parameters {
		if !slices.Contains(known, parameter[2]) {
			t.Errorf("the parameter %s is for --%s, which slipway build does not have", parameter[1], parameter[2])
		}
		if !slices.Contains(words, parameter[1]) {
			t.Errorf("slipwayBuild.txt does not describe %s", parameter[1])
		}
	}
}
