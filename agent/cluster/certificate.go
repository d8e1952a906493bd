package cluster

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// certificateLife is how long certificates are valid. Builders and agents
	// outside of anybody's care should not stop for months.
	certificateLife = 365 * 24 * time.Hour
	// clockSkew is how far behind the clocks of others may be.
	clockSkew = time.Hour
)

// The keys of the Secrets. Those of kubernetes.io/tls are what cert-manager
// and others write, too; there is no standard for the rest.
const (
	keyCA            = "ca.crt"
	keyCertificate   = "tls.crt"
	keyPrivate       = "tls.key"
	keyClient        = "client.crt"
	keyClientPrivate = "client.key"
	keyBefore        = "previous.crt"
	keyBeforePrivate = "previous.key"
)

// pair is a certificate and its private key, both PEM.
type pair struct{ certificate, key []byte }

func (p pair) parse() (tls.Certificate, error) {
	return tls.X509KeyPair(p.certificate, p.key)
}

// certificates are all that a workload needs, made together. The key of the
// authority that signed them is nowhere: nobody can sign another one.
type certificates struct {
	// authorities are PEM: the one that signed server and client and, after a
	// renewal, the one before, whose certificates are still in use.
	authorities    []byte
	server, client pair
	// before is the client's pair of the time before the renewal, for pods
	// that know only the authority of then. Empty before the first renewal.
	before pair
}

// makeCertificates makes a new set for a server of this name. known is the set
// that it replaces, or nil.
func makeCertificates(serverName string, now time.Time, known *certificates) (certificates, error) {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // it cannot fail
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificates{}, fmt.Errorf("make a key: %w", err)
	}
	// The name must differ from that of the authority before: a server names
	// the authorities that it accepts, and the client answers with the pair
	// that fits.
	authority := template("slipway "+serverName+" "+hex.EncodeToString(id), now)
	authority.IsCA = true
	authority.BasicConstraintsValid = true
	authority.MaxPathLenZero = true
	authority.KeyUsage = x509.KeyUsageCertSign
	root, err := sign(authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return certificates{}, err
	}

	server := template(serverName, now)
	server.DNSNames = []string{serverName}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := template("client of "+serverName, now)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}

	made := certificates{authorities: root}
	if made.server, err = signed(server, authority, authorityKey); err != nil {
		return certificates{}, err
	}
	if made.client, err = signed(client, authority, authorityKey); err != nil {
		return certificates{}, err
	}
	if known != nil {
		block, _ := pem.Decode(known.authorities)
		made.authorities = append(made.authorities, pem.EncodeToMemory(block)...)
		made.before = known.client
	}
	return made, nil
}

func template(name string, now time.Time) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // it cannot fail
	return &x509.Certificate{
		// X.509 wants it positive.
		SerialNumber: new(big.Int).SetBytes(append([]byte{1}, serial...)),
		Subject:      pkix.Name{CommonName: commonName(name)},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// maxCommonName is X.509's bound (ub-common-name).
const maxCommonName = 64

// commonName keeps the end of a long name, which is what tells authorities
// apart. Servers are known by their DNS names.
func commonName(name string) string {
	return name[max(0, len(name)-maxCommonName):]
}

func signed(certificate, authority *x509.Certificate, authorityKey crypto.Signer) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("make a key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, fmt.Errorf("write a key: %w", err)
	}
	public, err := sign(certificate, authority, &key.PublicKey, authorityKey)
	return pair{public, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}, err
}

func sign(certificate, authority *x509.Certificate, public crypto.PublicKey, authorityKey crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, certificate, authority, public, authorityKey)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// serverData is what the Secret of the workload holds: everything.
func (c certificates) serverData() map[string][]byte {
	data := map[string][]byte{
		keyCA:            c.authorities,
		keyCertificate:   c.server.certificate,
		keyPrivate:       c.server.key,
		keyClient:        c.client.certificate,
		keyClientPrivate: c.client.key,
	}
	return c.withBefore(data)
}

// clientData is what the Secret that agents read holds: nothing of the server.
func (c certificates) clientData() map[string][]byte {
	return c.withBefore(map[string][]byte{
		keyCA:          c.authorities,
		keyCertificate: c.client.certificate,
		keyPrivate:     c.client.key,
	})
}

func (c certificates) withBefore(data map[string][]byte) map[string][]byte {
	if len(c.before.certificate) > 0 {
		data[keyBefore] = c.before.certificate
		data[keyBeforePrivate] = c.before.key
	}
	return data
}

// parseCertificates reads serverData back. An error says what does not fit, so
// that a set of which somebody has removed a part is not used.
func parseCertificates(data map[string][]byte) (certificates, error) {
	c := certificates{
		authorities: data[keyCA],
		server:      pair{data[keyCertificate], data[keyPrivate]},
		client:      pair{data[keyClient], data[keyClientPrivate]},
		before:      pair{data[keyBefore], data[keyBeforePrivate]},
	}
	roots := x509.NewCertPool()
	if block, _ := pem.Decode(c.authorities); block == nil || !roots.AppendCertsFromPEM(c.authorities) {
		return certificates{}, errors.New(keyCA + " holds no certificate")
	}
	for _, one := range []struct {
		key  string
		pair pair
	}{{keyCertificate, c.server}, {keyClient, c.client}} {
		parsed, err := one.pair.parse()
		if err != nil {
			return certificates{}, fmt.Errorf("%s: %w", one.key, err)
		}
		// Whether they have expired is judged by due.
		_, err = parsed.Leaf.Verify(x509.VerifyOptions{
			Roots: roots, CurrentTime: parsed.Leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err != nil {
			return certificates{}, fmt.Errorf("%s: %w", one.key, err)
		}
	}
	if len(c.before.certificate) > 0 {
		if _, err := c.before.parse(); err != nil {
			return certificates{}, fmt.Errorf("%s: %w", keyBefore, err)
		}
	}
	return c, nil
}

// due says whether a set that was parsed is to be renewed: less than a third
// of its life is left, or its names are not those that are wanted.
func (c certificates) due(serverName string, now time.Time) bool {
	for _, one := range []pair{c.server, c.client} {
		parsed, err := one.parse()
		if err != nil {
			return true
		}
		if isDue(parsed.Leaf, now) {
			return true
		}
	}
	parsed, err := c.server.parse()
	return err != nil || parsed.Leaf.VerifyHostname(serverName) != nil
}

// isDue is true when less than a third of a certificate's life is left.
func isDue(c *x509.Certificate, now time.Time) bool {
	return c.NotAfter.Sub(now) < c.NotAfter.Sub(c.NotBefore)/3
}

// sufficesFor is true when a client with these data gets along with a server
// of this set.
func (c certificates) sufficesFor(data map[string][]byte) bool {
	own, _ := pem.Decode(c.authorities)
	if own == nil || !bytes.Contains(data[keyCA], pem.EncodeToMemory(own)) {
		return false
	}
	for _, one := range []pair{{data[keyCertificate], data[keyPrivate]}, {data[keyBefore], data[keyBeforePrivate]}} {
		if bytes.Equal(one.certificate, c.client.certificate) && bytes.Equal(one.key, c.client.key) {
			return true
		}
	}
	return false
}
