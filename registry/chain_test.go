package registry

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/internal/logtest"
)

// Every source that can be malformed is, with a secret in the malformed place:
// each is named once in the log, the last one serves, and nothing leaks.
func TestBrokenSourcesArePassedBy(t *testing.T) {
	dir := t.TempDir()
	for path, content := range map[string]string{
		"docker/config.json":                   "{\n \"auths\": {\"TOPSECRET\"\n",
		"buildx/config/a.example/config.json":  `["TOPSECRET"]`,
		"secrets/one/.dockerconfigjson":        `{"auths":{"a.example":{"auth":"TOPSECRET"}}}`,
		"secrets/two/.dockercfg":               `{"a.example":{"auth":"TOPSECRET"}}`,
		"runtime/containers/auth.json":         `{"auths":["TOPSECRET"]}`,
		"config/containers/auth.json":          `TOPSECRET`,
		"secrets/..data/one/.dockerconfigjson": `TOPSECRET`,
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log logtest.Lines
	k := NewKeychain(Inputs{
		BuildxDir: filepath.Join(dir, "buildx"), DockerDir: filepath.Join(dir, "docker"), DockerAuthConfig: "VE9QU0VDUkVU",
		SecretsPath: filepath.Join(dir, "secrets"), RuntimeDir: filepath.Join(dir, "runtime"), ConfigDir: filepath.Join(dir, "config"),
		Extra: []CredentialSource{{"last", "a test", finderFunc(func(context.Context, Request) (Credential, error) {
			return Credential{Username: "u", Password: "p"}, nil
		})}},
	}, log.Logger())
	for range 2 {
		cred, err := k.Resolve(t.Context(), Request{Host: "a.example", Repository: "app"})
		if err != nil || cred.Username != "u" {
			t.Fatalf("credential %v, %v", cred, err)
		}
	}
	for _, want := range []string{
		"docker/config.json:2:23: unexpected end",
		"buildx/config/a.example/config.json:1:2: is of type array, expected object",
		"one/.dockerconfigjson: auths, a.example: auth is not base64",
		"two/.dockercfg: auths, a.example: auth is not base64",
		"runtime/containers/auth.json:1:11: auths is of type array, expected object",
		"config/containers/auth.json:1:1: invalid character 'T'",
		"DOCKER_AUTH_CONFIG: is neither JSON nor the path of a file",
	} {
		if log.Count(want) != 1 {
			t.Errorf("%d lines of the log say %q:\n%s", log.Count(want), want, log.String())
		}
	}
	if n := log.Count(`"level":"warn"`); n != 7 {
		t.Errorf("%d warnings, want 7:\n%s", n, log.String())
	}
	findings, err := k.Explain(t.Context(), Request{Host: "a.example", Repository: "app"})
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for _, f := range findings {
		if f.Verdict == Broken {
			broken++
		}
	}
	if broken != 7 {
		t.Errorf("%d broken findings, want 7: %+v", broken, findings)
	}
	shown, err := json.Marshal(findings)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"TOPSECRET", "VE9QU0VDUkVU"} {
		if log.Count(secret) > 0 || strings.Contains(string(shown), secret) {
			t.Errorf("%s is shown:\n%s\n%s", secret, log.String(), shown)
		}
	}
}

func TestFallbackIsExplained(t *testing.T) {
	k := NewKeychain(Inputs{DockerDir: t.TempDir(), DockerAuthConfig: `{"auths":{"docker.io":{"username":"hub","password":"p"}}}`}, zerolog.Nop())
	findings, err := k.Explain(t.Context(), Request{Host: "dhi.io", Repository: "app"})
	if err != nil {
		t.Fatal(err)
	}
	last := findings[len(findings)-1]
	if last.Verdict != Used || last.Username != "hub" || last.Why != "a credential of docker.io serves dhi.io as well" {
		t.Errorf("last finding %+v", last)
	}
}

func TestExplainIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := NewKeychain(Inputs{DockerDir: t.TempDir()}, zerolog.Nop())
	if _, err := k.Explain(ctx, Request{Host: "a.example"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := k.Resolve(ctx, Request{Host: "a.example"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A client that has a credential for any repository must not share tokens with
// anonymous ones, so a request without a repository finds it.
func TestUnknownRepositoryFindsAny(t *testing.T) {
	for name, config := range map[string]string{
		"one path":  `{"auths":{"a.example/team":{"username":"u","password":"p"}}}`,
		"two paths": `{"auths":{"a.example/team":{"username":"u","password":"p"},"a.example/team/x":{"username":"v","password":"p"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "auth.json")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			k := NewKeychain(Inputs{DockerDir: t.TempDir(), AuthFile: file}, zerolog.Nop())
			if cred, err := k.Resolve(t.Context(), Request{Host: "a.example"}); err != nil || cred.Username != "u" {
				t.Errorf("credential %v, %v; want user u", cred, err)
			}
			if cred, err := k.Resolve(t.Context(), Request{Host: "a.example", Repository: "other"}); err != nil || !cred.Anonymous() {
				t.Errorf("credential %v, %v; want none", cred, err)
			}
		})
	}
}

// Files are read at each request: they may be renewed during a build.
func TestFilesAreReadAnew(t *testing.T) {
	dir := t.TempDir()
	k := NewKeychain(Inputs{DockerDir: dir}, zerolog.Nop())
	for _, user := range []string{"one", "two"} {
		content := `{"auths":{"a.example":{"username":"` + user + `","password":"p"}}}`
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if cred, err := k.Resolve(t.Context(), Request{Host: "a.example"}); err != nil || cred.Username != user {
			t.Errorf("credential %v, %v; want user %s", cred, err, user)
		}
	}
}

// What was passed over is told where a credential is missed, as what is broken
// is.
func TestPassedOver(t *testing.T) {
	given := Login{Username: "u", Password: "p"}
	const hub = "registry-1.docker.io"
	for _, tt := range []struct {
		name     string
		inputs   Inputs
		host     string
		want     string
		unplaced string
		only     string
	}{
		{"no tags", Inputs{Given: given}, "a.example", "SLIPWAY_REGISTRY_USERNAME is set but names no registry: set SLIPWAY_REGISTRY_HOST=a.example if it is for that registry", "SLIPWAY_REGISTRY_USERNAME is set but names no registry: set SLIPWAY_REGISTRY_HOST=HOST", ""},
		{"used by the tag", Inputs{Given: given, TagHosts: []string{"a.example"}}, "a.example", "", "", "used where a tag names a.example and nowhere else: set SLIPWAY_REGISTRY_HOST=a.example to use it everywhere"},
		{"used", Inputs{Given: Login{Host: "a.example", Username: "u", Password: "p"}}, "a.example", "", "", ""},
		{"for another registry", Inputs{Given: Login{Host: "b.example", Username: "u", Password: "p"}}, "a.example", "", "", ""},
		{"another source serves", Inputs{Given: given, DockerAuthConfig: `{"auths":{"a.example":{"username":"x","password":"y"}}}`}, "a.example", "", "SLIPWAY_REGISTRY_USERNAME is set but names no registry: set SLIPWAY_REGISTRY_HOST=HOST", ""},
		{"a helper is missing", Inputs{}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "docker-credential-ecr-login is not installed on this agent", "", ""},
		{"nothing", Inputs{}, hub, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			tt.inputs.DockerDir = t.TempDir()
			k := NewKeychain(tt.inputs, zerolog.Nop())
			if _, err := k.Resolve(t.Context(), Request{Host: tt.host, Repository: "app"}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(k.PassedOver(tt.host), "\n"); got != tt.want {
				t.Errorf("passed over %q, want %q", got, tt.want)
			}
			unplaced := ""
			for _, f := range k.Unplaced() {
				unplaced += f.Why
			}
			if unplaced != tt.unplaced {
				t.Errorf("unplaced %q, want %q", unplaced, tt.unplaced)
			}
			findings, err := k.Explain(t.Context(), Request{Host: tt.host, Repository: "app"})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if (f.Verdict == Used || f.Verdict == ForPushes) && f.Only != tt.only {
					t.Errorf("used only %q, want %q", f.Only, tt.only)
				}
				if (f.Verdict == ForPushes) != (f.Only != "") {
					t.Errorf("verdict %s, used only %q", f.Verdict, f.Only)
				}
			}
		})
	}
}

// A credential that pushes alone get does not hide the one that all others get.
func TestForPushes(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	const host = "a.example"
	given, other := Login{Username: "given", Password: "p"}, LoginVariables{"REGISTRY", "REGISTRY_USERNAME", "REGISTRY_PASSWORD"}
	extra := func(l Login) CredentialSource {
		return CredentialSource{Name: "extra", Finder: l.Finder(other, []string{host})}
	}
	for _, tt := range []struct {
		name   string
		inputs Inputs
		want   []string
	}{
		{"alone", Inputs{Given: given}, []string{"SLIPWAY_REGISTRY_*: only for pushes"}},
		{"another for pushes", Inputs{Given: given, Extra: []CredentialSource{extra(Login{Username: "x", Password: "p"})}},
			[]string{"SLIPWAY_REGISTRY_*: only for pushes", "extra: passed over, SLIPWAY_REGISTRY_* comes first"}},
		{"another for all", Inputs{Given: given, DockerAuthConfig: `{"auths":{"a.example":{"username":"x","password":"y"}}}`},
			[]string{"SLIPWAY_REGISTRY_*: only for pushes", "DOCKER_AUTH_CONFIG: used"}},
		{"behind one for all", Inputs{DockerAuthConfig: `{"auths":{"a.example":{"username":"x","password":"y"}}}`, Extra: []CredentialSource{extra(given)}},
			[]string{"DOCKER_AUTH_CONFIG: used", "extra: passed over, DOCKER_AUTH_CONFIG comes first"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.inputs.DockerDir, tt.inputs.TagHosts = t.TempDir(), []string{host}
			findings, err := NewKeychain(tt.inputs, zerolog.Nop()).Explain(t.Context(), Request{Host: host, Repository: "app"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings {
				if f.Verdict == HasNone {
					continue
				}
				text := f.Source + ": " + string(f.Verdict)
				if f.Why != "" {
					text += ", " + f.Why
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
