package ci

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/findertest"
)

// answer is what a source says, for tables; see findertest.Answer.
func answer(t *testing.T, source registry.Finder, r registry.Request) string {
	t.Helper()
	findings, err := registry.NewKeychain(registry.Inputs{CI: []registry.CredentialSource{{Name: "it", Finder: source}}}, zerolog.Nop()).Explain(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Source == "it" {
			return findertest.Answer(string(f.Verdict), f.Username, f.Why)
		}
	}
	t.Fatal("the source was not asked")
	return ""
}

func TestGitLab(t *testing.T) {
	full := GitLab{
		Registry: "gitlab.example:5050", RegistryUser: "registry", RegistryPassword: "p", JobToken: "t",
		DeployUser: "deploy", DeployPassword: "p", ProxyServer: "gitlab.example:443", ProxyUser: "proxy", ProxyPassword: "p",
	}
	without := func(change func(*GitLab)) GitLab {
		g := full
		change(&g)
		return g
	}
	tests := []struct {
		name   string
		gitlab GitLab
		host   string
		want   string
	}{
		{"registry", full, "gitlab.example:5050", "registry"},
		{"job token", without(func(g *GitLab) { g.RegistryPassword = "" }), "gitlab.example:5050", "gitlab-ci-token"},
		{"deploy token", without(func(g *GitLab) { g.RegistryPassword, g.JobToken = "", "" }), "gitlab.example:5050", "deploy"},
		{"dependency proxy", full, "gitlab.example:443", "proxy"},
		{"dependency proxy without its port", full, "gitlab.example", "proxy"},
		{"no secret in this job", GitLab{Registry: "gitlab.example:5050", RegistryUser: "u"}, "gitlab.example:5050", "over: CI_REGISTRY is this registry, but CI_REGISTRY_PASSWORD, CI_JOB_TOKEN and CI_DEPLOY_PASSWORD are empty in this job"},
		{"no secret, another registry", GitLab{Registry: "gitlab.example:5050", RegistryUser: "u"}, "docker.io", "none"},
		{"look-alike", full, "gitlab.example.evil.example", "none"},
		{"another port", full, "gitlab.example:5051", "none"},
		{"another host", full, "docker.io", "none"},
		{"registry is off", without(func(g *GitLab) { g.Registry = "" }), "gitlab.example:5050", "over: CI_REGISTRY_PASSWORD is set but CI_REGISTRY, which names its registry, is empty: set CI_REGISTRY=gitlab.example:5050 if it is for that registry"},
		{"registry is off, dependency proxy", without(func(g *GitLab) { g.Registry = "" }), "gitlab.example", "proxy"},
		{"registry is off, deploy token", GitLab{DeployUser: "deploy", DeployPassword: "p", JobToken: "t"}, "gitlab.example", "over: CI_DEPLOY_PASSWORD is set but CI_REGISTRY, which names its registry, is empty: set CI_REGISTRY=gitlab.example if it is for that registry"},
		{"registry is off, job token", GitLab{JobToken: "t"}, "gitlab.example:5050", "none"},
		{"not GitLab", GitLab{}, "", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := answer(t, tt.gitlab, registry.Request{Host: tt.host, Repository: "group/app"}); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestGitLabUnplaced(t *testing.T) {
	for _, tt := range []struct {
		gitlab GitLab
		want   string
	}{
		{GitLab{RegistryPassword: "p", DeployPassword: "p"}, "CI_REGISTRY_PASSWORD is set but CI_REGISTRY, which names its registry, is empty: set CI_REGISTRY=HOST"},
		{GitLab{DeployPassword: "p"}, "CI_DEPLOY_PASSWORD is set but CI_REGISTRY, which names its registry, is empty: set CI_REGISTRY=HOST"},
		{GitLab{Registry: "gitlab.example", RegistryPassword: "p"}, ""},
		{GitLab{JobToken: "t"}, ""},
		{GitLab{}, ""},
	} {
		got := ""
		for _, f := range registry.NewKeychain(registry.Inputs{CI: Variables{GitLab: tt.gitlab}.Credentials(nil)}, zerolog.Nop()).Unplaced() {
			got += f.Why
		}
		if got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestGitHub(t *testing.T) {
	full := GitHub{Actions: "true", ServerURL: "https://github.com", Actor: "me", Token: "t"}
	with := func(change func(*GitHub)) GitHub {
		g := full
		change(&g)
		return g
	}
	tests := []struct {
		name   string
		github GitHub
		host   string
		want   string
	}{
		{"token", full, "ghcr.io", "me"},
		{"look-alike", full, "ghcr.io.evil.example", "none"},
		{"prefix", full, "evil-ghcr.io", "none"},
		{"below", full, "x.ghcr.io", "none"},
		{"another registry", full, "docker.io", "none"},
		{"not passed on", with(func(g *GitHub) { g.Token = "" }), "ghcr.io", "over: the workflow does not pass GITHUB_TOKEN on to this step (env: GITHUB_TOKEN: ${{ github.token }})"},
		{"not in a workflow", with(func(g *GitHub) { g.Actions = "" }), "ghcr.io", "over: GITHUB_ACTIONS is not true, so GITHUB_TOKEN may be anybody's"},
		{"another server", with(func(g *GitHub) { g.ServerURL = "https://github.example/" }), "ghcr.io", "over: the token is that of https://github.example, not of github.com"},
		{"no actor", with(func(g *GitHub) { g.Actor = "" }), "ghcr.io", "over: GITHUB_ACTOR is empty"},
		{"elsewhere", GitHub{}, "ghcr.io", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := answer(t, tt.github, registry.Request{Host: tt.host, Repository: "me/app"}); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// everywhere are inputs in which every source has a credential for each of the
// hosts that it can have one for; the user name says which source it is. take
// lists the sources that are left out.
func everywhere(t *testing.T, host string, without ...string) registry.Inputs {
	t.Helper()
	with := func(source string) bool { return !slices.Contains(without, source) }
	auths := func(user string) string {
		return `{"auths":{"` + host + `":{"username":"` + user + `","password":"p"}}}`
	}
	dir := t.TempDir()
	file := func(path, content string) string {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	i := registry.Inputs{
		DockerDir:   filepath.Join(dir, "docker"),
		SecretsPath: filepath.Join(dir, "secrets"),
		TagHosts:    []string{host},
		Lookup: func(name string) (string, bool) {
			value, ok := map[string]string{"U": "flag", "P": "p"}[name]
			return value, ok
		},
	}
	file("secrets/none/.dockerconfigjson", "{}")
	if with("flag") {
		e, err := registry.ParseRegistryAuth(host + "=env:U:P")
		if err != nil {
			t.Fatal(err)
		}
		i.Explicit = []registry.Explicit{e}
	}
	if with("given") {
		i.Given = registry.Login{Username: "given", Password: "p"}
	}
	if with("buildx") {
		file("buildx/config/"+host+"/config.json", auths("buildx"))
		i.BuildxDir = filepath.Join(dir, "buildx")
	}
	if with("docker") {
		file("docker/config.json", auths("docker"))
	}
	if with("variable") {
		i.DockerAuthConfig = auths("variable")
	}
	if with("secret") {
		file("secrets/pull/.dockerconfigjson", auths("secret"))
	}
	if with("containers") {
		i.AuthFile = file("auth.json", auths("containers"))
	}
	var v Variables
	if with("gitlab") {
		v.GitLab = GitLab{Registry: host, RegistryUser: "gitlab", RegistryPassword: "p"}
	}
	if with("github") {
		v.GitHub = GitHub{Actions: "true", Actor: "github", Token: "p"}
	}
	if with("jenkins") {
		v.Jenkins = Jenkins{RegistryUsername: "jenkins", RegistryPassword: "p"}
	}
	i.CI = v.Credentials(i.TagHosts)
	if with("extra") {
		i.Extra = []registry.CredentialSource{{Name: "extra", Reads: "a test", Finder: fixed{Username: "extra", Password: "p"}}}
	}
	return i
}

// TestPrecedence takes away one source after the other: each time the next one
// in the documented order answers.
func TestPrecedence(t *testing.T) {
	order := []string{"flag", "given", "buildx", "docker", "variable", "secret", "containers", "gitlab", "github", "jenkins", "extra"}
	for n, want := range order {
		t.Run(want, func(t *testing.T) {
			i := everywhere(t, "ghcr.io", order[:n]...)
			if err := i.Check(); err != nil {
				t.Fatal(err)
			}
			k := registry.NewKeychain(i, zerolog.Nop())
			cred, err := k.Resolve(t.Context(), registry.Request{Host: "ghcr.io", Repository: "team/app", Push: true})
			if err != nil || cred.Username != want || cred.Source == "" && want != "extra" {
				t.Errorf("credential %v, %v; want user %s", cred, err, want)
			}
			findings, err := k.Explain(t.Context(), registry.Request{Host: "ghcr.io", Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			var answering []string
			for _, f := range findings {
				if f.Username != "" {
					answering = append(answering, f.Username)
				}
				if f.Verdict == registry.Used && f.Username != want || f.Verdict == registry.Over && !strings.Contains(f.Why, "comes first") {
					t.Errorf("finding %+v", f)
				}
			}
			if diff := cmp.Diff(order[n:], answering); diff != "" {
				t.Errorf("order of the findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRegistries(t *testing.T) {
	k := registry.NewKeychain(everywhere(t, "ghcr.io"), zerolog.Nop())
	if diff := cmp.Diff([]string{"ghcr.io"}, k.Registries(t.Context())); diff != "" {
		t.Errorf("registries (-want +got):\n%s", diff)
	}
	k = registry.NewKeychain(registry.Inputs{
		DockerDir:        t.TempDir(),
		DockerAuthConfig: `{"auths":{"https://index.docker.io/v1/":{},"b.example/team":{},"*.c.example":{}},"credHelpers":{"a.example":"x"}}`,
		CI:               Variables{GitLab: GitLab{Registry: "gitlab.example:5050", JobToken: "t"}}.Credentials(nil),
	}, zerolog.Nop())
	if diff := cmp.Diff([]string{"a.example", "b.example/team", "docker.io", "gitlab.example:5050"}, k.Registries(t.Context())); diff != "" {
		t.Errorf("registries (-want +got):\n%s", diff)
	}
}

// A token that is there and not used is listed, for its owner to see why.
func TestRegistriesOfAnUnusedToken(t *testing.T) {
	for _, tt := range []struct {
		github GitHub
		want   []string
	}{
		{GitHub{Actions: "true", Actor: "me", Token: "t"}, []string{"ghcr.io"}},
		{GitHub{Token: "t"}, []string{"ghcr.io"}},
		{GitHub{Actions: "true", Actor: "me"}, nil},
	} {
		if diff := cmp.Diff(tt.want, tt.github.Registries(t.Context())); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.github.Actions, diff)
		}
	}
}

// fixed is a source with one credential for all registries.
type fixed registry.Credential

func (f fixed) Find(context.Context, registry.Request) (registry.Credential, error) {
	return registry.Credential(f), nil
}

// The order is the documented one.
func TestCredentialsTable(t *testing.T) {
	var names []string
	for _, source := range (Variables{}).Credentials(nil) {
		names = append(names, source.Name)
	}
	if diff := cmp.Diff([]string{"GitLab", "GitHub", "Jenkins"}, names); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestMaskCommand(t *testing.T) {
	github, _ := Variables{GitHub: GitHub{Actions: "true"}}.Detect()
	if got := github.Mask("a%b\r\nc"); got != "::add-mask::a%25b%0D%0Ac" {
		t.Errorf("%q", got)
	}
	for _, v := range []Variables{{GitHub: GitHub{Actions: "false"}}, {}} {
		if s, _ := v.Detect(); s.Mask("a") != "" {
			t.Error("a command is made where nobody reads it")
		}
	}
}
