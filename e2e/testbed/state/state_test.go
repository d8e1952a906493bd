package state

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TESTBED_STATE", dir)
	t.Setenv("TESTBED_KUBECONFIG", "")
	if _, err := Load(); !errors.Is(err, ErrNotUp) {
		t.Errorf("without a state file: %v, want %v", err, ErrNotUp)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"kubeconfig":"/k","images":{"agent":"a:1"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load()
	if err != nil || s.Kubeconfig != "/k" || s.Images.Agent != "a:1" {
		t.Errorf("Load() = %+v, %v", s, err)
	}
	t.Setenv("TESTBED_KUBECONFIG", "/other")
	t.Setenv("TESTBED_AGENT_IMAGE", "")
	t.Setenv("TESTBED_BUILDKIT_IMAGE", "")
	if _, err := Load(); err == nil {
		t.Error("another cluster without images is accepted")
	}
	t.Setenv("TESTBED_AGENT_IMAGE", "r/agent")
	t.Setenv("TESTBED_BUILDKIT_IMAGE", "r/buildkit")
	t.Setenv("TESTBED_ROOTLESS_IMAGE", "r/rootless")
	s, err = Load()
	if err != nil || s.Kubeconfig != "/other" || s.Images.Agent != "r/agent" || s.Images.Rootless != "r/rootless" || s.BinDir != "" {
		t.Errorf("Load() = %+v, %v for another cluster", s, err)
	}
}

func TestPasswordsAreInFilesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TESTBED_STATE", dir)
	t.Setenv("TESTBED_KUBECONFIG", "")
	for user, password := range map[string]string{"ci": "first\n", "reader": "second"} {
		if err := os.WriteFile(filepath.Join(dir, user), []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := json.Marshal(State{Registry: Registry{
		Address: "10.0.0.1:5000", Username: "ci", PasswordFile: filepath.Join(dir, "ci"), Password: "never",
		Others: []User{{Username: "reader", PasswordFile: filepath.Join(dir, "reader"), Password: "never"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(written), "never") {
		t.Errorf("the state file holds a password: %s", written)
	}
	if err := os.WriteFile(Path(), written, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ci": "first", "reader": "second"} {
		if user, ok := s.Registry.User(name); !ok || user.Password != want {
			t.Errorf("User(%q) = %+v, %v; want the password %q", name, user, ok, want)
		}
	}
	if _, ok := s.Registry.User("nobody"); ok {
		t.Error("the registry has a user that nobody made")
	}
	if err := os.Remove(filepath.Join(dir, "reader")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(); err == nil {
		t.Error("a password file that is not there is no error")
	}
}

func TestRegistryOfAnotherCluster(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("pw"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"TESTBED_KUBECONFIG": "/other", "TESTBED_AGENT_IMAGE": "a", "TESTBED_BUILDKIT_IMAGE": "b",
		"TESTBED_REGISTRY": "r.test", "TESTBED_REGISTRY_CA": "/ca", "TESTBED_REGISTRY_USERNAME": "u", "TESTBED_REGISTRY_PASSWORD_FILE": password,
	} {
		t.Setenv(name, value)
	}
	s, err := Load()
	if r := s.Registry; err != nil || r.Address != "r.test" || r.CA != "/ca" || r.Username != "u" || r.Password != "pw" {
		t.Errorf("Load() = %+v, %v", r, err)
	}
}
