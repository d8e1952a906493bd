package ci

import (
	"path/filepath"

	"github.com/slipway-build/slipway/registry"
)

// Variables are what the CI systems set, all of it as text: none of them may
// end a command by its form. All fields of a system that does not run this job
// are empty.
type Variables struct {
	GitHub    GitHub
	GitLab    GitLab
	Azure     Azure
	Bitbucket Bitbucket
	Buildkite Buildkite
	CircleCI  CircleCI
	Jenkins   Jenkins
}

// system is a CI system as its variables show it. The identity of one that
// does not run this job is empty.
type system interface {
	identity() Identity
	// reporter returns what shows a build in the system's log; see
	// Variables.Reporter.
	reporter(plain Reporter) Reporter
}

// systems are all that are known. Jenkins is last: its variables have the most
// general names, and a job of another system may set them.
func (v Variables) systems() []system {
	return []system{v.GitHub, v.GitLab, v.Azure, v.Bitbucket, v.Buildkite, v.CircleCI, v.Jenkins}
}

// Identify returns the identity of the job, false when no CI system that is
// known tells its repository and its workspace.
func (v Variables) Identify() (Identity, bool) {
	for _, s := range v.systems() {
		id := s.identity()
		if id.Repository != "" && filepath.IsAbs(id.Workspace) {
			return id, true
		}
	}
	return Identity{}, false
}

// Credentials are the sources of registry credentials of those systems that
// hand out any, in the order in which they are asked. tagHosts are the
// registries of the tags that are pushed.
func (v Variables) Credentials(tagHosts []string) []registry.CredentialSource {
	return []registry.CredentialSource{v.GitLab.credentials(), v.GitHub.credentials(), v.Jenkins.credentials(tagHosts)}
}

// Masker returns the function that makes, of a value, the line by which the
// system that runs the job is told to hide the value in the log from there on;
// nil where no system reads such lines.
func (v Variables) Masker() func(value string) string {
	if v.GitHub.running() {
		return v.GitHub.maskCommand
	}
	return nil
}

// sameRegistry reports whether two spellings mean one registry.
func sameRegistry(a, b string) bool {
	return registry.CanonicalHost(a) == registry.CanonicalHost(b)
}
