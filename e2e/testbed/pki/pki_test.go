package pki

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestIssue(t *testing.T) {
	folder := t.TempDir()
	if _, err := New(folder); err != nil {
		t.Fatal(err)
	}
	certificate, key := filepath.Join(folder, "ca.crt"), filepath.Join(folder, "ca.key")
	loaded, err := Load(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := loaded.Issue(pkix.Name{CommonName: "x"}, []string{"x.test"}, []net.IP{net.IPv4(10, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := Pool(certificate)
	if err != nil {
		t.Fatal(err)
	}
	for name, valid := range map[string]bool{"x.test": true, "10.0.0.1": true, "y.test": false, "10.0.0.2": false} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != valid {
			t.Errorf("the certificate is checked for %s: %v, want it to be valid: %v", name, err, valid)
		}
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the root key has mode %v (%v), want 0600", info.Mode(), err)
	}
	if err := issued.Write(folder, "leaf"); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(folder, "leaf.crt"), filepath.Join(folder, "leaf.key")); err == nil {
		t.Error("a certificate that signs nothing is taken for an authority")
	}
}
