package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// authority signs the cluster's certificates. It lives as long as the cluster.
type authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// lifetime of everything that is signed: longer than any testbed lives.
const lifetime = 365 * 24 * time.Hour

// writeSecrets makes the certificates, the keys and the tokens of a new cluster
// and returns the tokens by user.
func writeSecrets(folder string) (map[string]string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the cluster's keys: %w", err)
	}
	ca, err := newAuthority(folder)
	if err != nil {
		return nil, err
	}
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}
	addresses := []net.IP{net.ParseIP(apiAddress), net.ParseIP(serviceAPI), net.IPv4(127, 0, 0, 1)}
	if err := ca.sign("apiserver", pkix.Name{CommonName: "kube-apiserver"}, names, addresses); err != nil {
		return nil, err
	}
	// The API server is an administrator to the kubelets: exec and logs go through it.
	if err := ca.sign("apiserver-kubelet-client", pkix.Name{CommonName: "kube-apiserver", Organization: []string{"system:masters"}}, nil, nil); err != nil {
		return nil, err
	}
	serviceAccounts, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the key of the service accounts: %w", err)
	}
	private := x509.MarshalPKCS1PrivateKey(serviceAccounts)
	if err := writePEM(filepath.Join(folder, "service-accounts.key"), "RSA PRIVATE KEY", private); err != nil {
		return nil, err
	}
	return writeTokens(filepath.Join(folder, "tokens.csv"))
}

func newAuthority(folder string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the cluster's root key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "slipway-testbed"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the cluster's root certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the cluster's root certificate: %w", err)
	}
	ca := &authority{folder: folder, certificate: certificate, key: key}
	return ca, ca.write("ca", der, key)
}

func (ca *authority) sign(name string, subject pkix.Name, names []string, addresses []net.IP) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("make the certificate of %s: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     names,
		IPAddresses:  addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, &key.PublicKey, ca.key)
	if err != nil {
		return fmt.Errorf("make the certificate of %s: %w", name, err)
	}
	return ca.write(name, der, key)
}

func (ca *authority) write(name string, der []byte, key *ecdsa.PrivateKey) error {
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("write the key of %s: %w", name, err)
	}
	if err := writePEM(filepath.Join(ca.folder, name+".key"), "EC PRIVATE KEY", private); err != nil {
		return err
	}
	return writePEM(filepath.Join(ca.folder, name+".crt"), "CERTIFICATE", der)
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// users are who may talk to the API server, with their groups.
func users() [][2]string {
	all := [][2]string{
		{"admin", "system:masters"},
		{"system:kube-controller-manager", ""},
		{"system:kube-scheduler", ""},
		{"system:kube-proxy", ""},
	}
	for _, n := range nodes {
		all = append(all, [2]string{"system:node:" + n.name, "system:nodes"})
	}
	return all
}

func writeTokens(path string) (map[string]string, error) {
	tokens := map[string]string{}
	var file strings.Builder
	for i, user := range users() {
		secret := make([]byte, 24)
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("make a token: %w", err)
		}
		tokens[user[0]] = hex.EncodeToString(secret)
		_, _ = fmt.Fprintf(&file, "%s,%s,uid-%d,%q\n", tokens[user[0]], user[0], i, user[1]) // a builder takes everything
	}
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		return nil, fmt.Errorf("write the tokens: %w", err)
	}
	return tokens, nil
}
