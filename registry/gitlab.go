package registry

import "context"

// GitLab is what GitLab sets for a job, by the names of its variables.
type GitLab struct {
	// Registry, RegistryUser and RegistryPassword are CI_REGISTRY,
	// CI_REGISTRY_USER and CI_REGISTRY_PASSWORD.
	Registry, RegistryUser, RegistryPassword string
	// JobToken is CI_JOB_TOKEN.
	JobToken string
	// DeployUser and DeployPassword are CI_DEPLOY_USER and CI_DEPLOY_PASSWORD.
	DeployUser, DeployPassword string
	// ProxyServer, ProxyUser and ProxyPassword are those of
	// CI_DEPENDENCY_PROXY_*; the server is host:port and another one than the
	// registry.
	ProxyServer, ProxyUser, ProxyPassword string
}

// Find implements Finder.
func (g GitLab) Find(_ context.Context, r Request) (Credential, error) {
	cred := first(g.known(), r.Host)
	if cred.Anonymous() && g.Registry != "" && sameHost(g.Registry, r.Host) {
		return cred, &PassedOver{"CI_REGISTRY is this registry, but CI_REGISTRY_PASSWORD, CI_JOB_TOKEN and CI_DEPLOY_PASSWORD are empty in this job"}
	}
	return cred, nil
}

// known are the credentials, in the order of precedence. A job's own may push;
// a deploy token mostly may not, and is there for projects whose registry the
// job has no right to.
func (g GitLab) known() []known {
	return []known{
		{g.Registry, Credential{Username: g.RegistryUser, Password: g.RegistryPassword, Source: "CI_REGISTRY_PASSWORD"}},
		{g.Registry, Credential{Username: "gitlab-ci-token", Password: g.JobToken, Source: "CI_JOB_TOKEN"}},
		{g.Registry, Credential{Username: g.DeployUser, Password: g.DeployPassword, Source: "CI_DEPLOY_PASSWORD"}},
		{g.ProxyServer, Credential{Username: g.ProxyUser, Password: g.ProxyPassword, Source: "CI_DEPENDENCY_PROXY_PASSWORD"}},
	}
}

// registries implements lister.
func (g GitLab) registries(_ context.Context) []string {
	var hosts []string
	for _, k := range g.known() {
		if k.host != "" && k.credential.secret() != "" {
			hosts = append(hosts, k.host)
		}
	}
	return hosts
}
