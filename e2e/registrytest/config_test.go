package registrytest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

func TestDockerConfig(t *testing.T) {
	got, err := DockerConfig(map[string]state.User{"10.0.0.1:5000": {Username: "ci", Password: "pw"}})
	if want := `{"auths":{"10.0.0.1:5000":{"auth":"Y2k6cHc="}}}`; got != want || err != nil {
		t.Errorf("DockerConfig = %s, %v; want %s", got, err, want)
	}
}

func TestBuilderFiles(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte("CERT\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := BuilderFiles(state.Registry{Address: "10.0.0.1:5000", Name: "r.test:5000", CA: ca}, state.Registry{Address: "10.0.0.1:7", CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	want := "[registry.\"10.0.0.1:5000\"]\n  ca = [\"/etc/buildkit/certs/registry/ca.pem\"]\n" +
		"[registry.\"r.test:5000\"]\n  ca = [\"/etc/buildkit/certs/registry/ca.pem\"]\n" +
		"[registry.\"10.0.0.1:7\"]\n  ca = [\"/etc/buildkit/certs/registry/ca.pem\"]\n"
	if got := string(files["buildkitd.toml"]); got != want {
		t.Errorf("buildkitd.toml is\n%s\nwant\n%s", got, want)
	}
	if got := string(files["certs/registry/ca.pem"]); got != "CERT\n" {
		t.Errorf("the root certificate is %q: once, for both have the same", got)
	}
}
