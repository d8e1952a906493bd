package ci

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/slipway-build/slipway/registry"
)

// GitLab is what GitLab CI sets for a job.
type GitLab struct {
	// CI is "true" in a job.
	CI        string `env:"GITLAB_CI"`
	ServerURL string `env:"CI_SERVER_URL"`
	// ProjectPath is group/name.
	ProjectPath string `env:"CI_PROJECT_PATH"`
	ProjectDir  string `env:"CI_PROJECT_DIR"`

	Registry         string `env:"CI_REGISTRY"`
	RegistryUser     string `env:"CI_REGISTRY_USER"`
	RegistryPassword string `env:"CI_REGISTRY_PASSWORD"`
	JobToken         string `env:"CI_JOB_TOKEN"`
	DeployUser       string `env:"CI_DEPLOY_USER"`
	DeployPassword   string `env:"CI_DEPLOY_PASSWORD"`
	// ProxyServer is host:port and another one than the registry.
	ProxyServer   string `env:"CI_DEPENDENCY_PROXY_SERVER"`
	ProxyUser     string `env:"CI_DEPENDENCY_PROXY_USER"`
	ProxyPassword string `env:"CI_DEPENDENCY_PROXY_PASSWORD"`
}

func (v Variables) onGitLab() bool { return v.GitLab.CI == "true" }

func (v Variables) gitlab() Identity {
	return Identity{Repository: join(v.GitLab.ServerURL, v.GitLab.ProjectPath), Workspace: v.GitLab.ProjectDir}
}

// gitlabCommands are the sections of GitLab's job log
// (https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections). They may
// nest, and those that a script has around slipway stay open; the steps of a build run
// side by side and do not nest.
type gitlabCommands struct{ noCommands }

// Begin implements Commands.
func (gitlabCommands) Begin(name, title string, at time.Time, folded bool) string {
	option := ""
	if folded {
		option = "[collapsed=true]"
	}
	return fmt.Sprintf("\x1b[0Ksection_start:%d:%s%s\r\x1b[0K%s", at.Unix(), name, option, title)
}

// End implements Commands.
func (gitlabCommands) End(name string, at time.Time) string {
	return fmt.Sprintf("\x1b[0Ksection_end:%d:%s\r\x1b[0K", at.Unix(), name)
}

func (g GitLab) credentials() registry.CredentialSource {
	return registry.CredentialSource{Name: "GitLab", Reads: "CI_REGISTRY_*, CI_JOB_TOKEN, CI_DEPLOY_*, CI_DEPENDENCY_PROXY_*", Finder: g}
}

// Find implements registry.Finder.
func (g GitLab) Find(_ context.Context, r registry.Request) (registry.Credential, error) {
	cred := first(g.known(), r.Host)
	if cred.Anonymous() && g.Registry != "" && sameRegistry(g.Registry, r.Host) {
		return cred, &registry.PassedOver{Why: "CI_REGISTRY is this registry, but CI_REGISTRY_PASSWORD, CI_JOB_TOKEN and CI_DEPLOY_PASSWORD are empty in this job"}
	}
	if why := g.namesNoRegistry(r.Host); cred.Anonymous() && why != "" {
		return cred, &registry.PassedOver{Why: why}
	}
	return cred, nil
}

// namesNoRegistry is why passwords of a registry are not used where CI_REGISTRY
// does not say of which; empty where there are none. CI_JOB_TOKEN is no sign of
// one: every job has it. An empty host is none in particular.
func (g GitLab) namesNoRegistry(host string) string {
	set := ""
	switch {
	case g.Registry != "":
		return ""
	case g.RegistryPassword != "":
		set = "CI_REGISTRY_PASSWORD"
	case g.DeployPassword != "":
		set = "CI_DEPLOY_PASSWORD"
	default:
		return ""
	}
	why := fmt.Sprintf("%s is set but CI_REGISTRY, which names its registry, is empty: set CI_REGISTRY=%s", set, cmp.Or(host, "HOST"))
	if host != "" {
		why += " if it is for that registry"
	}
	return why
}

// Unplaced implements registry.Unplacer.
func (g GitLab) Unplaced() string { return g.namesNoRegistry("") }

// known are the credentials, in the order of precedence. A job's own may push;
// a deploy token mostly may not, and is there for projects whose registry the
// job has no right to.
func (g GitLab) known() []known {
	return []known{
		{g.Registry, registry.Credential{Username: g.RegistryUser, Password: g.RegistryPassword, Source: "CI_REGISTRY_PASSWORD"}},
		{g.Registry, registry.Credential{Username: "gitlab-ci-token", Password: g.JobToken, Source: "CI_JOB_TOKEN"}},
		{g.Registry, registry.Credential{Username: g.DeployUser, Password: g.DeployPassword, Source: "CI_DEPLOY_PASSWORD"}},
		{g.ProxyServer, registry.Credential{Username: g.ProxyUser, Password: g.ProxyPassword, Source: "CI_DEPENDENCY_PROXY_PASSWORD"}},
	}
}

// Registries implements registry.Lister.
func (g GitLab) Registries(_ context.Context) []string {
	var hosts []string
	for _, k := range g.known() {
		if k.host != "" && k.credential.Kind() != "" {
			hosts = append(hosts, k.host)
		}
	}
	return hosts
}

// known is a credential for one registry.
type known struct {
	host       string
	credential registry.Credential
}

// first returns the first of some credentials that is for a host.
func first(all []known, host string) registry.Credential {
	for _, k := range all {
		if k.host != "" && k.credential.Kind() != "" && sameRegistry(k.host, host) {
			return k.credential
		}
	}
	return registry.Credential{}
}
