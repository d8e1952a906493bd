package chart

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestCertificatesMadeByHelm connects with them, as far as that goes without a
// network: the server's is for its name, the client's is a client's, and both
// are signed by the authority that the other side trusts.
func TestCertificatesMadeByHelm(t *testing.T) {
	for _, p := range programs(t) {
		t.Run(p.Version, func(t *testing.T) {
			out, err := p.Run(t.Context(), "template", "slipway", chartDir, "--namespace", "buildkit", "--values", "testdata/helm-certificates/values.yaml", "--kube-version", kubeVersion)
			if err != nil {
				t.Fatal(err)
			}
			secrets := secretsOf(t, out)
			if len(secrets) != 4 {
				t.Errorf("there are %d Secrets, want two for each of two nodes", len(secrets))
			}
			if bytes.Equal(secrets["buildkit/slipway-made-server"]["ca.crt"], secrets["elsewhere/slipway-named-server"]["ca.crt"]) {
				t.Error("one authority signs for two workloads: a pod of one can pass for the other's")
			}
			for _, tt := range []struct{ namespace, workload, serverName string }{
				{"buildkit", "made", "buildkitd.made.buildkit"},
				{"elsewhere", "named", "builders.example.com"},
			} {
				prefix := tt.namespace + "/slipway-" + tt.workload
				server, client := secrets[prefix+"-server"], secrets[prefix+"-client"]
				verify(t, server, client["ca.crt"], x509.VerifyOptions{DNSName: tt.serverName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
				leaf := verify(t, client, server["ca.crt"], x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
				if leaf.VerifyHostname(tt.serverName) == nil {
					t.Errorf("the client of %s can pass for its server", tt.workload)
				}
				if leaf.IsCA || len(server) != 3 || len(client) != 3 {
					t.Errorf("Secrets of %s: %d and %d keys, authority: %v", tt.workload, len(server), len(client), leaf.IsCA)
				}
			}
		})
	}
}

// verify returns the certificate of a Secret once everything about it fits.
func verify(t *testing.T, secret map[string][]byte, roots []byte, options x509.VerifyOptions) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(secret["tls.crt"], secret["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	options.Roots = x509.NewCertPool()
	if !options.Roots.AppendCertsFromPEM(roots) {
		t.Fatalf("no authority in %q", roots)
	}
	if _, err := pair.Leaf.Verify(options); err != nil {
		t.Error(err)
	}
	return pair.Leaf
}

// secretsOf are the Secrets of a rendered chart by "namespace/name".
func secretsOf(t *testing.T, rendered string) map[string]map[string][]byte {
	t.Helper()
	secrets := map[string]map[string][]byte{}
	for _, document := range strings.Split(rendered, "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
			Data     map[string]string
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object.Kind != "Secret" {
			continue
		}
		data := map[string][]byte{}
		for key, value := range object.Data {
			decoded, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			data[key] = decoded
		}
		secrets[object.Metadata.Namespace+"/"+object.Metadata.Name] = data
	}
	return secrets
}
