package ci

import "github.com/slipway-build/slipway/registry"

// Jenkins is what Jenkins sets for a job, and what its pipelines set by
// convention. Its git plugin tells the repository in declarative pipelines, not
// in scripted ones.
type Jenkins struct {
	// URL is that of Jenkins itself. Without it GitURL and Workspace may be
	// anybody's.
	URL string `env:"JENKINS_URL"`
	// BuildID is there only in a step of a job: the pods of agents have the URL.
	BuildID   string `env:"BUILD_ID"`
	GitURL    string `env:"GIT_URL"`
	Workspace string `env:"WORKSPACE"`

	Registry         string `env:"REGISTRY"`
	RegistryUsername string `env:"REGISTRY_USERNAME"`
	RegistryPassword string `env:"REGISTRY_PASSWORD"`
}

func (v Variables) onJenkins() bool { return v.Jenkins.URL != "" && v.Jenkins.BuildID != "" }

func (v Variables) jenkins() Identity {
	if v.Jenkins.URL == "" {
		return Identity{}
	}
	return Identity{Repository: remote(v.Jenkins.GitURL), Workspace: v.Jenkins.Workspace}
}

func (j Jenkins) credentials(tagHosts []string) registry.CredentialSource {
	names := registry.LoginVariables{Host: "REGISTRY", Username: "REGISTRY_USERNAME", Password: "REGISTRY_PASSWORD"}
	login := registry.Login{Host: j.Registry, Username: j.RegistryUsername, Password: j.RegistryPassword}
	return registry.CredentialSource{Name: "Jenkins", Reads: "REGISTRY, REGISTRY_USERNAME, REGISTRY_PASSWORD", Finder: login.Finder(names, tagHosts)}
}
