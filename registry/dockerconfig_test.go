package registry

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// load writes config.json to a fresh directory and loads it.
func load(t *testing.T, content string) (*DockerConfig, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadDockerConfig(nil, dir)
}

// resolve asks the two sources of a docker config for a host.
func resolve(t *testing.T, config *DockerConfig, host string) (Credential, error) {
	t.Helper()
	return dockerChain(config, newHelpers(), zerolog.Nop()).Resolve(t.Context(), Request{Host: host})
}

// dockerChain is a keychain of one docker config.
func dockerChain(config *DockerConfig, run *helpers, log zerolog.Logger) *Chain {
	read := func() (*DockerConfig, error) { return config, nil }
	return newChain(fileSources("docker config", "config.json", read, true, run), log)
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func TestResolveFromAuths(t *testing.T) {
	config := `{"auths": {
		"https://index.docker.io/v1/": {"auth": "` + basic("hub", "pa:ss") + `"},
		"ghcr.io": {"username": "me", "password": "pw"},
		"https://old.example/v1/": {"auth": "` + basic("old", "pw") + `"},
		"token.example:5000": {"identitytoken": "idt"},
		"bearer.example": {"registrytoken": "rt"},
		"empty.example": {}
	}}`
	tests := []struct {
		host string
		want Credential
	}{
		{"registry-1.docker.io", Credential{Username: "hub", Password: "pa:ss"}},
		{"docker.io", Credential{Username: "hub", Password: "pa:ss"}},
		{"index.docker.io", Credential{Username: "hub", Password: "pa:ss"}},
		{"dhi.io", Credential{Username: "hub", Password: "pa:ss"}},
		{"ghcr.io", Credential{Username: "me", Password: "pw"}},
		{"old.example", Credential{Username: "old", Password: "pw"}},
		{"token.example:5000", Credential{IdentityToken: "idt"}},
		{"token.example", Credential{}},
		{"bearer.example", Credential{RegistryToken: "rt"}},
		{"empty.example", Credential{}},
		{"nowhere.example", Credential{}},
		{"evil-ghcr.io", Credential{}},
	}
	c, err := load(t, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			got, err := resolve(t, c, tt.host)
			if err != nil {
				t.Fatal(err)
			}
			got.Source = ""
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("credential (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDockerHubSpellings(t *testing.T) {
	for _, key := range []string{"docker.io", "https://index.docker.io/v1/", "https://index.docker.io/v1", "index.docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/"} {
		t.Run(key, func(t *testing.T) {
			c, err := load(t, `{"auths":{"`+key+`":{"username":"u","password":"p"}}}`)
			if err != nil {
				t.Fatal(err)
			}
			cred, err := resolve(t, c, "registry-1.docker.io")
			if err != nil || cred.Username != "u" {
				t.Errorf("Resolve = %v, %v; want user u", cred, err)
			}
		})
	}
}

func TestMissingAndEmptyConfig(t *testing.T) {
	missing, err := LoadDockerConfig(nil, filepath.Join(t.TempDir(), "nope"))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := load(t, "\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*DockerConfig{missing, empty} {
		cred, err := resolve(t, c, "ghcr.io")
		if err != nil || !cred.Anonymous() {
			t.Errorf("Resolve = %v, %v; want anonymous", cred, err)
		}
	}
}

func TestBadConfig(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"syntax", "{\n  \"auths\": {,\n}", ":2:13: invalid character ','"},
		{"truncated", `{"auths": {`, ":1:11: unexpected end of JSON input"},
		{"trailing garbage", `{} x`, ":1:4: invalid character 'x'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.content)
			var ce *ConfigError
			if !errors.As(err, &ce) {
				t.Fatalf("error %v is no *ConfigError", err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "config.json") {
				t.Errorf("error %q does not say %q and the file", err, tt.want)
			}
			for _, secret := range []string{"12345678", "c2VjcmV0", "secret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error %q shows the value %q", err, secret)
				}
			}
			if len(ce.Hints()) == 0 {
				t.Error("no hint")
			}
		})
	}
}

// An entry that is wrong is reported when it is needed, and spoils no other.
func TestBadEntries(t *testing.T) {
	tests := []struct{ name, entry, want string }{
		{"wrong type", `{"password": 12345678}`, "auths, a.example: password is of type number, expected string"},
		{"entry is a list", `["c2VjcmV0"]`, "auths, a.example: is of type array, expected object"},
		{"auth not base64", `{"auth": "c2VjcmV0!"}`, "auths, a.example: auth is not base64"},
		{"auth without colon", `{"auth": "c2VjcmV0"}`, "auths, a.example: auth is not the base64 of user:password"},
		{"no password", `{"username": "secret"}`, "auths, a.example: has a user name and no password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, `{"auths": {"a.example": `+tt.entry+`, "b.example": {"username": "u", "password": "p"}}}`)
			if err != nil {
				t.Fatal(err)
			}
			if cred, err := resolve(t, c, "b.example"); err != nil || cred.Username != "u" {
				t.Errorf("the other entry: %v, %v", cred, err)
			}
			source := fileAuths{read: func() (*DockerConfig, error) { return c, nil }}
			cred, err := source.Find(t.Context(), Request{Host: "a.example"})
			var ce *ConfigError
			if !errors.As(err, &ce) || !cred.Anonymous() || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v; want an error that says %q", cred, err, tt.want)
			}
			for _, secret := range []string{"12345678", "c2VjcmV0", "secret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error %q shows the value %q", err, secret)
				}
			}
		})
	}
}

func TestProxies(t *testing.T) {
	c, err := load(t, `{"proxies": {
		"default": {"httpProxy": "http://d:1", "noProxy": "x,y", "allProxy": "socks://z"},
		"tcp://build:2375": {"httpsProxy": "http://b:1", "ftpProxy": "http://f"}
	}}`)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		host string
		want map[string]string
	}{
		{"unix:///var/run/docker.sock", map[string]string{"HTTP_PROXY": "http://d:1", "NO_PROXY": "x,y"}},
		{"tcp://build:2375", map[string]string{"HTTPS_PROXY": "http://b:1", "FTP_PROXY": "http://f"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, c.Proxies(tt.host)); diff != "" {
			t.Errorf("Proxies(%q) (-want +got):\n%s", tt.host, diff)
		}
	}
}

func FuzzParseDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"ghcr.io":{"auth":"dTpw"}},"credHelpers":{"x":"y"},"proxies":{"default":{}}}`))
	f.Add([]byte(`{"auths":{"https://[::1":{"username":"u"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseDockerConfig("config.json", data)
		if err != nil {
			var ce *ConfigError
			if !errors.As(err, &ce) {
				t.Errorf("error %v is no *ConfigError", err)
			}
			return
		}
		findAny(t, c)
	})
}

// findAny asks a config for what a fuzzer put into it: any credential it
// returns must be one, and an error a *ConfigError.
func findAny(t *testing.T, c *DockerConfig) {
	t.Helper()
	source := fileAuths{read: func() (*DockerConfig, error) { return c, nil }}
	for _, r := range []Request{{Host: "ghcr.io"}, {Host: "ghcr.io", Repository: "a/b"}, {Host: "registry-1.docker.io", Repository: "library/a"}} {
		cred, err := source.Find(t.Context(), r)
		var ce *ConfigError
		if err != nil && !errors.As(err, &ce) || err != nil && !cred.Anonymous() {
			t.Errorf("%s: %v, error %v", r, cred, err)
		}
		if cred.Username != "" && cred.secret() == "" {
			t.Errorf("%s: user %q without a secret", r, cred.Username)
		}
	}
}
