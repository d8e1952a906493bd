package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
)

// CertDirs are the directories where docker looks for the certificates of
// registries, in a directory host[:port] each: the system's, and that of a
// user without a root daemon.
func CertDirs(home string) []string {
	dirs := []string{"/etc/docker/certs.d"}
	if home != "" {
		dirs = append(dirs, filepath.Join(home, ".config", "docker", "certs.d"))
	}
	return dirs
}

// readCertDirs reads what stands for host below dirs: *.crt are certificate
// authorities, *.cert and *.key of one name a client certificate. Directories
// that do not exist or may not be read are skipped, as docker does.
func readCertDirs(files *source.Reader, dirs []string, host string) (Host, error) {
	var found Host
	for _, dir := range dirs {
		for _, name := range registry.Spellings(host) {
			if err := readCertDir(files, filepath.Join(dir, name), &found); err != nil {
				return Host{}, fmt.Errorf("certificates for registry %s: %w", host, err)
			}
		}
	}
	return found, nil
}

func readCertDir(files *source.Reader, dir string, into *Host) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		switch filepath.Ext(file) {
		case ".crt":
			pem, err := files.Read(file, source.MaxConfig)
			if err != nil {
				return err
			}
			into.CAs = append(into.CAs, pem)
		case ".cert":
			cert, err := files.Read(file, source.MaxConfig)
			if err != nil {
				return err
			}
			key, err := files.Read(strings.TrimSuffix(file, ".cert")+".key", source.MaxConfig)
			if err != nil {
				return fmt.Errorf("%s has no usable key beside it: %w", file, err)
			}
			into.KeyPairs = append(into.KeyPairs, KeyPair{cert, key})
		}
	}
	return nil
}

// tlsConfig is the client's side of TLS with a registry.
func (h Host) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: h.Insecure}
	if len(h.CAs) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, err
		}
		for _, pem := range h.CAs {
			if !pool.AppendCertsFromPEM(pem) {
				return nil, errors.New("a certificate authority is not PEM with a certificate in it")
			}
		}
		config.RootCAs = pool
	}
	for _, pair := range h.KeyPairs {
		certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = append(config.Certificates, certificate)
	}
	return config, nil
}
