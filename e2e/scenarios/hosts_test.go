package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// hostOfSource is a registry whose credential follows from its name alone.
type hostOfSource struct {
	name, host string
	// user is the name that the registry must see.
	user string
	// before sets the job's variables; $P is the password.
	before string
}

func hostsOfSources() []hostOfSource {
	helper := "export PATH=/tmp/helper:$PATH"
	return []hostOfSource{
		{"gitlab-job-token", "registry.gitlab.example", "gitlab-ci-token", "export GITLAB_CI=true CI_REGISTRY=registry.gitlab.example CI_JOB_TOKEN=$P"},
		{"gitlab-deploy-token", "registry.gitlab.example", "gitlab+deploy-token-7", "export GITLAB_CI=true CI_REGISTRY=registry.gitlab.example CI_DEPLOY_USER=gitlab+deploy-token-7 CI_DEPLOY_PASSWORD=$P"},
		{"gitlab-dependency-proxy", "gitlab.example", "gitlab-ci-token", "export GITLAB_CI=true CI_DEPENDENCY_PROXY_SERVER=gitlab.example:443 CI_DEPENDENCY_PROXY_USER=gitlab-ci-token CI_DEPENDENCY_PROXY_PASSWORD=$P"},
		{"github", "ghcr.io", "octocat", "export GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://github.com GITHUB_ACTOR=octocat GITHUB_TOKEN=$P"},
		{"ecr", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "AWS", helper},
		{"artifact-registry", "europe-west1-docker.pkg.dev", "oauth2accesstoken", helper},
		{"acr", "acmeregistry.azurecr.io", "00000000-0000-0000-0000-000000000000", helper},
	}
}

// lookalikes are hosts that only contain the name of one above.
var lookalikes = []string{
	"ghcr.io.evil.example",
	"notghcr.io",
	"123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
	"evil-123456789012.dkr.ecr.eu-west-1.amazonaws.com",
	"europe-west1-docker.pkg.dev.evil.example",
	"acmeregistry.azurecr.io.evil.example",
}

// TestCredentialsOfHosts builds with the credentials that are for one service
// only, against a registry that has the service's name and learns who asks.
// Others whose names look alike learn nothing.
func TestCredentialsOfHosts(t *testing.T) {
	t.Parallel()
	b := bed(t)
	as := proxy.Disguise{Address: "10.244.0.1:443", Users: map[string]string{}}
	for _, source := range hostsOfSources() {
		as.Names = append(as.Names, source.host)
		as.Users[source.user] = b.Registry.Username
	}
	as.Names = append(slices.Compact(as.Names), lookalikes...)
	for _, source := range precedence() {
		as.Users[source.user] = b.Registry.Username
	}
	s, p := newPretender(t, as)
	s.write("/tmp/login", "P="+b.Registry.Password+"\n")
	for program, user := range map[string]string{"ecr-login": "AWS", "gcr": "oauth2accesstoken", "acr-env": "00000000-0000-0000-0000-000000000000"} {
		s.write("/tmp/helper/docker-credential-"+program, fmt.Sprintf("#!/bin/sh\n. /tmp/login\nread host; echo $host >> /tmp/asked\nprintf '{\"ServerURL\":\"%%s\",\"Username\":\"%s\",\"Secret\":\"%%s\"}' $host $P\n", user))
	}
	s.ok("chmod +x /tmp/helper/* && : > /tmp/asked")
	base := strings.TrimPrefix(b.Registry.Base, b.Registry.Address)
	build := func(host, tag string) string {
		return "slipway build " + both + "--no-cache --build-arg BASE=" + host + base + " -t " + host + "/" + s.Name + ":" + tag + " --push ."
	}
	for _, source := range hostsOfSources() {
		t.Run(source.name, func(t *testing.T) {
			s.t = t
			p.Forget()
			s.ok(". /tmp/login && " + source.before + " && slipway auth --check " + source.host + "/" + s.Name + " >&2 && " + build(source.host, source.name))
			s.index(source.name, "linux/amd64", "linux/arm64")
			want(t, "users that asked", strings.Join(users(p), " "), source.user)
		})
	}
	s.t = t
	s.ok(": > /tmp/asked")
	for _, host := range lookalikes {
		t.Run(host, func(t *testing.T) {
			s.t = t
			p.Forget()
			everything := ". /tmp/login"
			for _, source := range hostsOfSources() {
				everything += " && " + source.before
			}
			s.fails(5, everything+" && "+build(host, "stolen"), "anonymous", host)
			want(t, "users that asked", strings.Join(users(p), " "), "")
			if len(p.Requests()) == 0 {
				t.Error("the host was not asked at all")
			}
		})
	}
	s.t = t
	want(t, "what helpers were asked for", s.ok("cat /tmp/asked"), "")
	t.Run("precedence", func(t *testing.T) { s.t = t; inOrder(s, p) })
	s.t = t
}

// rankedSource is a source of the documentation's table, with a user of its
// own.
type rankedSource struct{ row, user, set string }

// precedence are the sources of the table that can all have a credential for
// one registry.
func precedence() []rankedSource {
	return []rankedSource{
		{"`--registry-auth`, `SLIPWAY_REGISTRY_AUTH`", "u-flag", "export F_U=u-flag F_P=$P SLIPWAY_REGISTRY_AUTH=ghcr.io=env:F_U:F_P"},
		{"`SLIPWAY_REGISTRY_*`", "u-slipway", "export SLIPWAY_REGISTRY_HOST=ghcr.io SLIPWAY_REGISTRY_USERNAME=u-slipway SLIPWAY_REGISTRY_PASSWORD=$P"},
		{"buildx config", "u-buildx", "mkdir -p /tmp/b/config/ghcr.io; config u-buildx > /tmp/b/config/ghcr.io/config.json; export BUILDX_CONFIG=/tmp/b"},
		{"docker config", "u-docker", "mkdir -p /tmp/d; config u-docker > /tmp/d/config.json; export DOCKER_CONFIG=/tmp/d"},
		{"`DOCKER_AUTH_CONFIG`", "u-variable", `export DOCKER_AUTH_CONFIG="$(config u-variable)"`},
		{"pull secrets", "u-secret", "config u-secret > /tmp/s; export SLIPWAY_REGISTRY_SECRETS=/tmp/s"},
		{"containers auth.json", "u-containers", "config u-containers > /tmp/c; export REGISTRY_AUTH_FILE=/tmp/c"},
		{"GitLab", "u-gitlab", "export CI_REGISTRY=ghcr.io CI_REGISTRY_USER=u-gitlab CI_REGISTRY_PASSWORD=$P"},
		{"GitHub", "u-github", "export GITHUB_ACTIONS=true GITHUB_ACTOR=u-github GITHUB_TOKEN=$P"},
		{"Jenkins", "u-jenkins", "export REGISTRY=ghcr.io REGISTRY_USERNAME=u-jenkins REGISTRY_PASSWORD=$P"},
		{"service account", "u-account", ":"},
	}
}

// inOrder has a credential of every source and takes the first away, again and
// again: the registry always sees the first that is left. The order is that of
// the documentation.
func inOrder(s *shop, p *proxy.Proxy) {
	s.t.Helper()
	s.pullSecret("pull", "ghcr.io", "u-account", s.Bed.Registry.Password)
	const config = ". /tmp/login; config() { printf '{\"auths\":{\"ghcr.io\":{\"auth\":\"%s\"}}}' $(printf %s \"$1:$P\" | base64 | tr -d '\\n'); }\n"
	page, last := readFile(s.t, "../docs/credentials.md"), 0
	sources := precedence()
	for i, source := range sources {
		row := strings.Index(page, " | "+source.row+" | ")
		if row < last {
			s.t.Errorf("%s is not in its place in the table", source.row)
		}
		last = row
		script := config
		for _, left := range sources[i:] {
			script += left.set + "\n"
		}
		p.Forget()
		s.ok(script + "slipway auth --check --push ghcr.io/" + s.Name + " >&2")
		want(s.t, "user with "+source.row, strings.Join(users(p), " "), source.user)
	}
}

// users are the names under which a registry was asked, in order.
func users(p *proxy.Proxy) []string {
	var all []string
	for _, r := range p.Requests() {
		if r.User != "" {
			all = append(all, r.User)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// newPretender makes a shop in which names lead to a proxy in disguise, for the
// agent and for its builders.
func newPretender(t *testing.T, as proxy.Disguise) (*shop, *proxy.Proxy) {
	t.Helper()
	s := newSpace(t, "slipway-build", "slipway-manage")
	p, err := proxy.StartAs(context.WithoutCancel(t.Context()), s.Bed.Registry, as)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	var registries []state.Registry
	for _, name := range as.Names {
		registries = append(registries, state.Registry{Address: name, CA: s.Bed.Registry.CA})
	}
	files, err := registrytest.BuilderFiles(registries...)
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(as.Address, ":")
	aliases := []map[string]any{{"ip": address, "hostnames": as.Names}}
	amd64, arm64 := s.builderNode("amd64"), s.builderNode("arm64")
	for _, n := range []*node{&amd64, &arm64} {
		n.Files = files
		n.Slipway = map[string]any{"podTemplate": map[string]any{"spec": map[string]any{"hostAliases": aliases}}}
	}
	s.define(amd64, arm64)
	images, err := registrytest.New(s.Bed.Registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(images.Close)
	shop := &shop{images: images, repo: as.Names[0] + "/" + s.Name}
	shop.agent = s.startPretender("agent", as, "")
	return shop, p
}

// startPretender starts an agent for which the names lead to the proxy. If a
// secret is given, its pod mounts it where pull secrets are looked for.
func (s *space) startPretender(name string, as proxy.Disguise, secret string) *agent {
	s.t.Helper()
	address, _, _ := strings.Cut(as.Address, ":")
	manifest := strings.Replace(s.agentManifest(name, s.Bed.Images.Agent), "spec:\n",
		fmt.Sprintf("spec:\n  hostAliases: [{ip: %q, hostnames: [%s]}]\n", address, strings.Join(as.Names, ", ")), 1)
	if secret != "" {
		manifest = strings.Replace(manifest, "volumeMounts:\n", "volumeMounts:\n        - {name: registry, mountPath: /etc/slipway/registry/team, readOnly: true}\n", 1)
		manifest = strings.Replace(manifest, "volumes:\n", "volumes:\n    - {name: registry, secret: {secretName: "+secret+"}}\n", 1)
	}
	a := s.startAgentFrom(name, manifest)
	a.write("Dockerfile", machineDockerfile)
	return a
}
