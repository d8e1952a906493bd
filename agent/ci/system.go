package ci

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/registry"
)

// Variables are what the CI systems set, all of it as text: none of them may
// end a command by its form. All fields of a system that does not run this job
// are empty.
type Variables struct {
	GitHub     GitHub
	Gitea      Gitea
	GitLab     GitLab
	Azure      Azure
	Bitbucket  Bitbucket
	Buildkite  Buildkite
	CircleCI   CircleCI
	Woodpecker Woodpecker
	Drone      Drone
	Jenkins    Jenkins
	Tekton     Tekton
	Argo       Argo

	Results results.Variables
	Fork    ForkVariables
	// Refs say what the pipeline runs for.
	Refs Refs
	// Job tells one run of a job from all others.
	Job JobVariables
}

// System is a CI system. The zero System is none.
type System struct {
	// Name is how --ci calls it.
	Name string
	// Title is its name in a text.
	Title string
	// Signs are the variables by which its jobs are recognized, for people; empty for
	// Plain, which is chosen only by name.
	Signs string
	// Commands are the lines of a log that it obeys.
	Commands Commands

	running  func(Variables) bool
	identity func(Variables) Identity
}

// Plain is the system whose log has no commands.
const Plain = "plain"

// systems are all that are known. Where the variables of several are set, the first
// one runs the job: Forgejo's and Gitea's runners set GitHub's variables too, and
// those of Jenkins, Tekton and Argo come with the agent's pod, in which the job of
// another system may run.
var systems = []System{
	// Name, Title, Signs, Commands: sections, annotations, masks
	{"forgejo", "Forgejo Actions", "FORGEJO_ACTIONS=true", giteaCommands{}, Variables.onForgejo, Variables.github},                         // sections, masks
	{"gitea", "Gitea Actions", "GITEA_ACTIONS=true", giteaCommands{}, Variables.onGitea, Variables.github},                                 // sections, masks
	{"github", "GitHub Actions", "GITHUB_ACTIONS=true", githubCommands{}, Variables.onGitHub, Variables.github},                            // sections, annotations, masks
	{"gitlab", "GitLab CI", "GITLAB_CI=true", gitlabCommands{}, Variables.onGitLab, Variables.gitlab},                                      // sections
	{"azure", "Azure Pipelines", "TF_BUILD=True", azureCommands{}, Variables.onAzure, Variables.azure},                                     // sections, annotations, masks
	{"bitbucket", "Bitbucket Pipelines", "BITBUCKET_BUILD_NUMBER", noCommands{}, Variables.onBitbucket, Variables.bitbucket},               // none
	{"buildkite", "Buildkite", "BUILDKITE=true", buildkiteCommands{}, Variables.onBuildkite, Variables.buildkite},                          // sections
	{"circleci", "CircleCI", "CIRCLECI=true", noCommands{}, Variables.onCircleCI, Variables.circleci},                                      // none
	{"woodpecker", "Woodpecker", "CI=woodpecker or CI_SYSTEM_NAME=woodpecker", noCommands{}, Variables.onWoodpecker, Variables.woodpecker}, // none
	{"drone", "Drone", "DRONE=true", noCommands{}, Variables.onDrone, Variables.drone},                                                     // none
	{"jenkins", "Jenkins", "JENKINS_URL and BUILD_ID", noCommands{}, Variables.onJenkins, Variables.jenkins},                               // none
	{"tekton", "Tekton", "the directory " + TektonSteps, noCommands{}, Variables.onTekton, Variables.nowhere},                              // none
	{"argo", "Argo Workflows", "ARGO_NODE_ID", noCommands{}, Variables.onArgo, Variables.nowhere},                                          // none
	{Plain, "plain", "", noCommands{}, Variables.never, Variables.nowhere},                                                                 // none
}

// Detect returns the system that runs the job, the zero System where there is none,
// and the others whose signs are there as well.
func (v Variables) Detect() (runs System, others []System) {
	for _, s := range systems {
		switch {
		case !s.running(v):
		case runs.Name == "":
			runs = s
		default:
			others = append(others, s)
		}
	}
	return runs, others
}

// The values of --ci that are no system.
const (
	Auto = "auto" // the one that runs the job
	None = "none" // none, whatever runs the job
)

// Choose returns the system that a value of --ci means; the zero System for None, and
// for Auto or an empty value where no system is known. others are those of Detect.
func (v Variables) Choose(value string) (chosen System, others []System, err error) {
	switch value {
	case "", Auto:
		chosen, others = v.Detect()
		return chosen, others, nil
	case None:
		return System{}, nil, nil
	}
	for _, s := range systems {
		if s.Name == value {
			return s, nil, nil
		}
	}
	return System{}, nil, fmt.Errorf("unknown CI system %q, known are %s", value, strings.Join(Names(), ", "))
}

// Names are the values of --ci.
func Names() []string {
	names := []string{Auto, None}
	for _, s := range systems {
		names = append(names, s.Name)
	}
	return names
}

// Systems are all systems, in the order in which they are recognized.
func Systems() []System { return append([]System(nil), systems...) }

// Known reports whether there is a system.
func (s System) Known() bool { return s.Name != "" }

// Workspace is the absolute path of the directory into which the system cloned the
// job's repository, the root of the paths of its annotations; empty when the
// variables do not say.
func (s System) Workspace(v Variables) string {
	if s.identity == nil {
		return ""
	}
	if dir := s.identity(v).Workspace; filepath.IsAbs(dir) {
		return dir
	}
	return ""
}

// Checkout is the job's own repository, as far as the variables say.
func (s System) Checkout(v Variables) results.Checkout {
	if s.identity == nil {
		return results.Checkout{}
	}
	return results.Checkout{Workspace: s.Workspace(v), Repository: s.identity(v).Repository}
}

// Mask returns the line by which the system is told to hide a value in the log from
// there on; empty where it reads no such lines.
func (s System) Mask(value string) string {
	if s.Commands == nil {
		return ""
	}
	return s.Commands.Mask(value)
}

// Identify returns the identity of the job, false when no CI system that is
// known tells its repository and its workspace. It does not depend on which
// system's log is written.
func (v Variables) Identify() (Identity, bool) {
	for _, s := range systems {
		id := s.identity(v)
		if id.Repository != "" && filepath.IsAbs(id.Workspace) {
			return id, true
		}
	}
	return Identity{}, false
}

func (v Variables) never() bool       { return false }
func (v Variables) nowhere() Identity { return Identity{} }

// Credentials are the sources of registry credentials of those systems that
// hand out any, in the order in which they are asked. tagHosts are the
// registries of the tags that are pushed.
func (v Variables) Credentials(tagHosts []string) []registry.CredentialSource {
	return []registry.CredentialSource{v.GitLab.credentials(), v.GitHub.credentials(), v.Jenkins.credentials(tagHosts)}
}

// sameRegistry reports whether two spellings mean one registry.
func sameRegistry(a, b string) bool {
	return registry.CanonicalHost(a) == registry.CanonicalHost(b)
}
