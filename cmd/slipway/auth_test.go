package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/sethvargo/go-envconfig"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/registry"
)

// closedRegistry is a registry in memory that lets one user in, and lets that
// user write to the repository open only. It returns its host.
func closedRegistry(t *testing.T) string {
	t.Helper()
	inner := gcr.New(gcr.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		switch {
		case !ok || user != "ci" || password != "TOPSECRET":
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodPost && !strings.HasPrefix(r.URL.Path, "/v2/open/"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"closed since yesterday"}]}`)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestAuthCheck(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SLIPWAY_DEFINITIONS", "")
	host := closedRegistry(t)
	t.Setenv("REGISTRY_USERNAME", "ci")
	tests := []struct {
		name, password string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"allowed", "TOPSECRET", []string{host + "/open"}, 0, "check push allowed", ""},
		{"may pull only", "TOPSECRET", []string{host + "/closed"}, exitRegistry, "check pull allowed", "denied: closed since yesterday"},
		{"may pull only, source", "TOPSECRET", []string{host + "/closed"}, exitRegistry, "check push refused", "the credential from REGISTRY_PASSWORD is valid: it may pull from " + host + "/closed and may not push to it"},
		{"push only", "TOPSECRET", []string{"--push", host + "/closed"}, exitRegistry, "check push refused", "closed since yesterday"},
		{"wrong password", "TOPSECRET2", []string{host + "/open"}, exitRegistry, "check pull refused", "answered 401 Unauthorized"},
		{"no repository", "TOPSECRET", []string{host}, 0, "not asked", ""},
		{"JSON", "TOPSECRET", []string{"--format", "json", host + "/closed"}, exitRegistry, `"action": "push"`, "closed since yesterday"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("REGISTRY_PASSWORD", tt.password)
			stdout, stderr, code := slipway(t, append([]string{"auth", "--check"}, tt.args...)...)
			if code != tt.code || !strings.Contains(strings.Join(strings.Fields(stdout), " "), tt.stdout) || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("exit code %d, want %d\n%s%s", code, tt.code, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, "TOPSECRET") {
				t.Errorf("a secret is shown:\n%s%s", stdout, stderr)
			}
		})
	}
}

// The same credential without a registry, in a command that names no tag: it is
// not used, and the error says why.
func TestCredentialWithoutARegistry(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SLIPWAY_DEFINITIONS", "")
	t.Setenv("REGISTRY_USERNAME", "ci")
	t.Setenv("REGISTRY_PASSWORD", "TOPSECRET")
	host := closedRegistry(t)
	_, stderr, code := slipway(t, "index", "inspect", host+"/open:1")
	if want := "hint: REGISTRY_USERNAME is set but names no registry: set REGISTRY=" + host + " if it is for that registry\n"; code != exitRegistry || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d, %s\nwant %s", code, stderr, want)
	}
	for _, asked := range []string{host, host + "/open"} {
		stdout, _, _ := slipway(t, "auth", asked)
		for _, want := range []string{
			asked + " only for pushes \\_ Jenkins only for pushes ci -",
			"REGISTRY_PASSWORD, used where a tag names " + host + " and nowhere else: set REGISTRY=" + host,
		} {
			if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
				t.Errorf("%s\nwant %s", stdout, want)
			}
		}
	}
	t.Setenv("REGISTRY", host)
	if stdout, _, _ := slipway(t, "auth", host); !strings.Contains(strings.Join(strings.Fields(stdout), " "), host+" credential \\_ Jenkins used ci") {
		t.Errorf("with REGISTRY: %s", stdout)
	}
	if _, stderr, code := slipway(t, "index", "inspect", host+"/open:1"); code != exitRegistry || !strings.Contains(stderr, "404") {
		t.Errorf("with REGISTRY: exit code %d, %s", code, stderr)
	}
}

func TestPushedNames(t *testing.T) {
	got := pushedNames([]string{"a.example/app:1"}, []string{
		"type=local,dest=out", "type=registry,name=b.example/app", `type=image,"name=c.example/x,d.example/y",push=true`,
		"type=image,name=e.example/app", "type=nothing", "type=oci,dest=x,name=f.example/app",
	})
	if diff := cmp.Diff([]string{"a.example/app:1", "b.example/app", "c.example/x", "d.example/y"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// Every variable arrives where it belongs.
func TestCredentialVariables(t *testing.T) {
	names := []string{
		"DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY", "REGISTRY_USERNAME", "REGISTRY_PASSWORD",
		"CI_REGISTRY", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD", "CI_JOB_TOKEN", "CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD",
		"CI_DEPENDENCY_PROXY_SERVER", "CI_DEPENDENCY_PROXY_USER", "CI_DEPENDENCY_PROXY_PASSWORD",
		"GITHUB_SERVER_URL", "GITHUB_ACTOR", "GITHUB_TOKEN", "BUILDX_CONFIG", "DOCKER_CONFIG", "HOME",
	}
	values := map[string]string{"GITHUB_ACTIONS": "true"}
	for _, name := range names {
		values[name] = name
	}
	env, err := lookupEnvironment(t.Context(), envconfig.MapLookuper(values))
	if err != nil {
		t.Fatal(err)
	}
	i, err := registryFlags{RegistrySecrets: "secrets"}.inputs(env, nil, []string{"a.example/app:1", "app"})
	if err != nil {
		t.Fatal(err)
	}
	i.Lookup, i.CI = nil, nil
	want := registry.Inputs{
		TagHosts: []string{"a.example", "docker.io"}, SecretsPath: "secrets",
		BuildxDir: "BUILDX_CONFIG", DockerDir: "DOCKER_CONFIG", DockerAuthConfig: "DOCKER_AUTH_CONFIG",
		AuthFile: "REGISTRY_AUTH_FILE", RuntimeDir: "XDG_RUNTIME_DIR", ConfigDir: "XDG_CONFIG_HOME",
	}
	if diff := cmp.Diff(want, i); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
	wantCI := ci.Variables{
		GitLab: ci.GitLab{
			Registry: "CI_REGISTRY", RegistryUser: "CI_REGISTRY_USER", RegistryPassword: "CI_REGISTRY_PASSWORD", JobToken: "CI_JOB_TOKEN",
			DeployUser: "CI_DEPLOY_USER", DeployPassword: "CI_DEPLOY_PASSWORD",
			ProxyServer: "CI_DEPENDENCY_PROXY_SERVER", ProxyUser: "CI_DEPENDENCY_PROXY_USER", ProxyPassword: "CI_DEPENDENCY_PROXY_PASSWORD",
		},
		GitHub:   ci.GitHub{Actions: "true", ServerURL: "GITHUB_SERVER_URL", Actor: "GITHUB_ACTOR", Token: "GITHUB_TOKEN"},
		CircleCI: ci.CircleCI{Home: "HOME"},
		Jenkins:  ci.Jenkins{Registry: "REGISTRY", RegistryUsername: "REGISTRY_USERNAME", RegistryPassword: "REGISTRY_PASSWORD"},
	}
	if diff := cmp.Diff(wantCI, env.CI); diff != "" {
		t.Errorf("variables of CI systems (-want +got):\n%s", diff)
	}
}
