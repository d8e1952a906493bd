package cluster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestWriteRegistryConfigs(t *testing.T) {
	c := Cluster{State: t.TempDir(), Programs: "/programs"}
	if err := c.writeRegistryConfigs(); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		"registry": {
			"addr: \"10.244.0.1:5000\"\n", "rootdirectory: " + c.path("registry", "registry") + "}", "delete: {enabled: true}",
			"certificate: " + c.secrets() + "/registry.crt", "htpasswd: {realm: registry, path: " + c.secrets() + "/registry.htpasswd}",
		},
		"token-registry": {
			"addr: \"10.244.0.1:5001\"\n", "rootdirectory: " + c.path("registry", "token-registry") + "}", "autoredirect: true\n",
			"service: token-registry\n", "rootcertbundle: " + c.secrets() + "/ca.crt\n",
		},
	} {
		path := c.path("registry", name+".yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("the configuration of %s lacks %q:\n%s", name, want, text)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the configuration of %s, which holds a secret, is not its owner's alone: %v, %v", name, info, err)
		}
	}
	for host, server := range map[string]string{
		"10.244.0.1:5000": "https://10.244.0.1:5000", "registry.slipway.test:5000": "https://10.244.0.1:5000", "mirror.slipway.test:5001": "https://10.244.0.1:5001",
	} {
		for _, n := range nodes {
			text, err := os.ReadFile(filepath.Join(c.registryHosts(n), host, "hosts.toml"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "[host.\""+server+"\"]") || !strings.Contains(string(text), "ca = \""+c.authority()+"\"") || strings.Contains(string(text), "skip_verify") {
				t.Errorf("%s finds %s by\n%s", n.name, host, text)
			}
		}
	}
}

func TestWriteRegistryUsers(t *testing.T) {
	folder := t.TempDir()
	if err := writeRegistryUsers(folder); err != nil {
		t.Fatal(err)
	}
	hashes, err := os.ReadFile(filepath.Join(folder, "registry.htpasswd"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "registry-users.json"))
	if err != nil {
		t.Fatal(err)
	}
	var users []registryUser
	if err := json.Unmarshal(text, &users); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(string(hashes)), "\n") {
		name, hash, _ := strings.Cut(line, ":")
		path := passwordFile(folder, name)
		password, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := bcrypt.CompareHashAndPassword([]byte(hash), password); err != nil {
			t.Errorf("the password of %s is not the one that is hashed: %v", name, err)
		}
		if users[i].Name != name || users[i].Password != string(password) || len(password) < 32 || seen[string(password)] {
			t.Errorf("user %d is %+v, want %s with a long password of its own", i, users[i], name)
		}
		seen[string(password)] = true
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the password of %s is not its owner's alone: %v, %v", name, info, err)
		}
	}
	if len(seen) != len(registryUsers) {
		t.Errorf("%d users were written, want %d", len(seen), len(registryUsers))
	}
}
