package configmap

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// instance is what buildx reads a definition into, but for the unknown keys,
// which it passes over.
type instance struct {
	Name, Driver string
	Nodes        []struct {
		Name, Endpoint string
		Platforms      []ocispecs.Platform
		DriverOpts     map[string]string
		Flags          []string
		Files          map[string][]byte
		Slipway        json.RawMessage
	}
	Dynamic bool
	Slipway json.RawMessage
}

// TestDefinitionsOfTheChart reads what the chart makes of its test values.
func TestDefinitionsOfTheChart(t *testing.T) {
	cases, err := filepath.Glob("../e2e/chart/testdata/*/golden.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no golden files of the chart: %v", err)
	}
	for _, golden := range cases {
		t.Run(filepath.Base(filepath.Dir(golden)), func(t *testing.T) {
			rendered, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, document := range strings.Split(string(rendered), "\n---\n") {
				var object corev1.ConfigMap
				if err := yaml.Unmarshal([]byte(document), &object); err != nil {
					t.Fatal(err)
				}
				if object.Kind == "ConfigMap" {
					found += readMounted(t, object.Data)
				}
			}
			if found == 0 {
				t.Error("there is no definition")
			}
		})
	}
}

// selfSigned makes a certificate and its key.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// readMounted reads definitions as an agent does that has them mounted, and as
// buildx does. It returns how many there are.
func readMounted(t *testing.T, data map[string]string) int {
	t.Helper()
	dir, certificates := t.TempDir(), t.TempDir()
	certificate, key := selfSigned(t)
	for name, content := range map[string][]byte{"ca.crt": certificate, "tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(certificates, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for key, content := range data {
		// Clients of a gateway have their certificate mounted there.
		content = strings.ReplaceAll(content, "/etc/slipway/gateway/", certificates+"/")
		if err := os.WriteFile(filepath.Join(dir, key), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		var builder instance
		decoder := json.NewDecoder(bytes.NewReader([]byte(content)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&builder); err != nil {
			t.Errorf("buildx cannot read %s: %v", key, err)
		}
		if key != strings.ToLower(builder.Name) {
			t.Errorf("the file of builder %s is %s; buildx looks for its name in lower case", builder.Name, key)
		}
	}
	set, err := Load(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Broken(); err != nil {
		t.Error(err)
	}
	return len(set.Definitions())
}
