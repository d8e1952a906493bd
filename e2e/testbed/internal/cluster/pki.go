package cluster

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/pki"
)

// writeSecrets makes the certificates, the keys and the tokens of a new cluster
// and returns the tokens by user.
func writeSecrets(folder string) (map[string]string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the cluster's keys: %w", err)
	}
	ca, err := pki.New(folder)
	if err != nil {
		return nil, err
	}
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}
	addresses := []net.IP{net.ParseIP(nodes[0].ip4), net.ParseIP(nodes[0].ip6), net.ParseIP(serviceAPI4), net.ParseIP(serviceAPI6), net.IPv4(127, 0, 0, 1)}
	for _, certificate := range []struct {
		name      string
		subject   pkix.Name
		names     []string
		addresses []net.IP
	}{
		{"apiserver", pkix.Name{CommonName: "kube-apiserver"}, names, addresses},
		// The API server is an administrator to the kubelets: exec and logs go through it.
		{"apiserver-kubelet-client", pkix.Name{CommonName: "kube-apiserver", Organization: []string{"system:masters"}}, nil, nil},
		{"registry", pkix.Name{CommonName: "registry"}, registryNames, registryAddresses()},
		{"arch-webhook", pkix.Name{CommonName: "arch-webhook"}, nil, []net.IP{net.IPv4(127, 0, 0, 1)}},
	} {
		pair, err := ca.Issue(certificate.subject, certificate.names, certificate.addresses)
		if err != nil {
			return nil, err
		}
		if err := pair.Write(folder, certificate.name); err != nil {
			return nil, err
		}
	}
	if err := writeRegistryUsers(folder); err != nil {
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

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// secret makes a token or a password.
func secret() string {
	bytes := make([]byte, 24)
	_, _ = rand.Read(bytes) // never fails: the program would end
	return hex.EncodeToString(bytes)
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
		tokens[user[0]] = secret()
		_, _ = fmt.Fprintf(&file, "%s,%s,uid-%d,%q\n", tokens[user[0]], user[0], i, user[1]) // a builder takes everything
	}
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		return nil, fmt.Errorf("write the tokens: %w", err)
	}
	return tokens, nil
}
