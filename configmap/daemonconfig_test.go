package configmap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestReadDaemonConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"a/ca.pem": "CA", "b/ca.pem": "other CA", "key.pem": "-----BEGIN PRIVATE KEY-----", "cert.pem": "CERT",
		"plain.toml":  "# kept\ndebug = true\n",
		"broken.toml": "debug =\n",
		"types.toml":  "[registry.\"a\"]\nca = 1\n",
		"full.toml":   "insecure-entitlements = [\"network.host\"]\n[registry.\"r.example:5000\"]\nmirrors = [\"m\"]\nca = [\"a/ca.pem\"]\n[[registry.\"r.example:5000\".keypair]]\nkey = \"key.pem\"\ncert = \"cert.pem\"\n[registry.\"plain\"]\nhttp = true\n",
		"clash.toml":  "[registry.\"r\"]\nca = [\"a/ca.pem\", \"b/ca.pem\"]\n[registry.\"s\"]\nca = [\"nowhere.pem\"]\n",
		"inpod.toml":  "[registry.\"r\"]\nca = [\"/etc/buildkit/certs/r/ca.pem\"]\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		file  string
		want  *DaemonConfig
		wrong []string
	}{
		{"plain.toml", &DaemonConfig{Files: map[string][]byte{"buildkitd.toml": []byte("# kept\ndebug = true\n")}}, nil},
		{"full.toml", &DaemonConfig{
			Files: map[string][]byte{
				"certs/r.example_5000/ca.pem":   []byte("CA"),
				"certs/r.example_5000/key.pem":  []byte("-----BEGIN PRIVATE KEY-----"),
				"certs/r.example_5000/cert.pem": []byte("CERT"),
				"buildkitd.toml": []byte(`insecure-entitlements = ['network.host']

[registry]
[registry.plain]
http = true

[registry.'r.example:5000']
ca = ['/etc/buildkit/certs/r.example_5000/ca.pem']
mirrors = ['m']

[[registry.'r.example:5000'.keypair]]
cert = '/etc/buildkit/certs/r.example_5000/cert.pem'
key = '/etc/buildkit/certs/r.example_5000/key.pem'
`),
			},
			PrivateKeys:  []string{"key.pem"},
			Entitlements: []string{"network.host"},
		}, nil},
		{"broken.toml", nil, []string{`--buildkitd-config "broken.toml": is not a configuration of buildkitd: line 1, column`}},
		{"types.toml", nil, []string{"is not a configuration of buildkitd: line 2, column"}},
		{"clash.toml", nil, []string{"a/ca.pem and b/ca.pem of registry r would both become certs/r/ca.pem: rename one", "nowhere.pem of registry s cannot be read: no such file"}},
		{"inpod.toml", nil, []string{"(it is a path in the pod: give a path on this machine)"}},
		{"absent.toml", nil, []string{`--buildkitd-config "absent.toml": cannot be read: no such file`}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			got, err := ReadDaemonConfig(nil, tt.file)
			if tt.wrong == nil {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				return
			}
			var all fault.List
			if !errors.As(err, &all) {
				t.Fatalf("error %v is no fault.List", err)
			}
			if len(all) != len(tt.wrong) {
				t.Fatalf("got %q, want %q", all, tt.wrong)
			}
			for i, one := range all {
				if !strings.Contains(one.Error(), tt.wrong[i]) {
					t.Errorf("got %q, want %q", one, tt.wrong[i])
				}
			}
		})
	}
}
