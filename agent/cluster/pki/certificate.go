package pki

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
	// Life is how long certificates are valid. Builders and agents that nobody
	// looks after should not stop for months.
	Life = 365 * 24 * time.Hour
	// clockSkew is how far behind the clocks of others may be.
	clockSkew = time.Hour
)

// The keys of the Secrets: the authorities, the certificate of the Secret's
// reader and its key, in the server's Secret those of the client as well, and
// those of the client from before a renewal. Those of kubernetes.io/tls are what cert-manager
// and others write, too; there is no standard for the rest.
const (
	KeyCA              = "ca.crt"
	KeyCertificate     = "tls.crt"
	KeyPrivate         = "tls.key"
	keyClient          = "client.crt"
	KeyClientPrivate   = "client.key"
	KeyPrevious        = "previous.crt"
	KeyPreviousPrivate = "previous.key"
)

// Pair is a certificate and its private key, both PEM.
type Pair struct{ Certificate, Key []byte }

// Parse reads the pair; its Leaf is set.
func (p Pair) Parse() (tls.Certificate, error) {
	return tls.X509KeyPair(p.Certificate, p.Key)
}

// Set is all that a workload needs, made together. The key of the authority
// that signed it is not kept: nobody can sign another certificate.
type Set struct {
	// Authorities are PEM: the one that signed server and client and, after a
	// renewal, the one before, whose certificates are still in use.
	Authorities    []byte
	Server, Client Pair
	// Previous is the client's pair of the time before the renewal, for pods
	// that know only the authority of then. Empty before the first renewal.
	Previous Pair
}

// Make makes a new set for a server of this name, valid from now on. known is
// the set that it replaces, or nil.
func Make(serverName string, now time.Time, known *Set) (Set, error) {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // it cannot fail
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Set{}, fmt.Errorf("make a key: %w", err)
	}
	// The name must differ from that of the authority before: a server names
	// the authorities that it accepts, and the client answers with the pair
	// that fits.
	authority := newCertificate("slipway "+serverName+" "+hex.EncodeToString(id), now)
	authority.IsCA = true
	authority.BasicConstraintsValid = true
	authority.MaxPathLenZero = true
	authority.KeyUsage = x509.KeyUsageCertSign
	root, err := sign(authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return Set{}, err
	}

	server := newCertificate(serverName, now)
	server.DNSNames = []string{serverName}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := newCertificate("client of "+serverName, now)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}

	made := Set{Authorities: root}
	if made.Server, err = signed(server, authority, authorityKey); err != nil {
		return Set{}, err
	}
	if made.Client, err = signed(client, authority, authorityKey); err != nil {
		return Set{}, err
	}
	if known != nil {
		block, _ := pem.Decode(known.Authorities)
		made.Authorities = append(made.Authorities, pem.EncodeToMemory(block)...)
		made.Previous = known.Client
	}
	return made, nil
}

func newCertificate(name string, now time.Time) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // it cannot fail
	return &x509.Certificate{
		// X.509 wants it positive.
		SerialNumber: new(big.Int).SetBytes(append([]byte{1}, serial...)),
		Subject:      pkix.Name{CommonName: commonName(name)},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(Life),
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

func signed(certificate, authority *x509.Certificate, authorityKey crypto.Signer) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make a key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("write a key: %w", err)
	}
	public, err := sign(certificate, authority, &key.PublicKey, authorityKey)
	return Pair{public, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}, err
}

func sign(certificate, authority *x509.Certificate, public crypto.PublicKey, authorityKey crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, certificate, authority, public, authorityKey)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// ServerData is what the Secret of the workload holds: everything.
func (c Set) ServerData() map[string][]byte {
	data := map[string][]byte{
		KeyCA:            c.Authorities,
		KeyCertificate:   c.Server.Certificate,
		KeyPrivate:       c.Server.Key,
		keyClient:        c.Client.Certificate,
		KeyClientPrivate: c.Client.Key,
	}
	return c.withPrevious(data)
}

// ClientData is what the Secret that agents read holds: nothing of the server.
func (c Set) ClientData() map[string][]byte {
	return c.withPrevious(map[string][]byte{
		KeyCA:          c.Authorities,
		KeyCertificate: c.Client.Certificate,
		KeyPrivate:     c.Client.Key,
	})
}

func (c Set) withPrevious(data map[string][]byte) map[string][]byte {
	if len(c.Previous.Certificate) > 0 {
		data[KeyPrevious] = c.Previous.Certificate
		data[KeyPreviousPrivate] = c.Previous.Key
	}
	return data
}

// Parse reads ServerData back. An error says what does not fit, so that a set
// of which somebody has removed a part is not used. An expired set is no error.
func Parse(data map[string][]byte) (Set, error) {
	c := Set{
		Authorities: data[KeyCA],
		Server:      Pair{data[KeyCertificate], data[KeyPrivate]},
		Client:      Pair{data[keyClient], data[KeyClientPrivate]},
		Previous:    Pair{data[KeyPrevious], data[KeyPreviousPrivate]},
	}
	roots, err := pool(c.Authorities)
	if err != nil {
		return Set{}, err
	}
	for _, one := range []struct {
		key  string
		pair Pair
	}{{KeyCertificate, c.Server}, {keyClient, c.Client}} {
		parsed, err := one.pair.Parse()
		if err != nil {
			return Set{}, fmt.Errorf("%s: %w", one.key, err)
		}
		// Whether they have expired is judged by Due.
		_, err = parsed.Leaf.Verify(x509.VerifyOptions{
			Roots: roots, CurrentTime: parsed.Leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err != nil {
			return Set{}, fmt.Errorf("%s: %w", one.key, err)
		}
	}
	if len(c.Previous.Certificate) > 0 {
		if _, err := c.Previous.Parse(); err != nil {
			return Set{}, fmt.Errorf("%s: %w", KeyPrevious, err)
		}
	}
	return c, nil
}

// pool holds the authorities of a ca.crt, of which there must be one.
func pool(authorities []byte) (*x509.CertPool, error) {
	all := x509.NewCertPool()
	if !all.AppendCertsFromPEM(authorities) {
		return nil, errors.New(KeyCA + " holds no certificate")
	}
	return all, nil
}

// Due says whether a set that was parsed is to be renewed: less than a third
// of its life is left, or its names are not those that are wanted.
func (c Set) Due(serverName string, now time.Time) bool {
	for _, one := range []Pair{c.Server, c.Client} {
		parsed, err := one.Parse()
		if err != nil {
			return true
		}
		if isDue(parsed.Leaf, now) {
			return true
		}
	}
	parsed, err := c.Server.Parse()
	return err != nil || parsed.Leaf.VerifyHostname(serverName) != nil
}

// isDue is true when less than a third of a certificate's life is left.
func isDue(c *x509.Certificate, now time.Time) bool {
	return c.NotAfter.Sub(now) < c.NotAfter.Sub(c.NotBefore)/3
}

// SufficesFor is true when a client with these data gets along with a server
// of this set.
func (c Set) SufficesFor(data map[string][]byte) bool {
	own, _ := pem.Decode(c.Authorities)
	if own == nil || !bytes.Contains(data[KeyCA], pem.EncodeToMemory(own)) {
		return false
	}
	for _, one := range []Pair{{data[KeyCertificate], data[KeyPrivate]}, {data[KeyPrevious], data[KeyPreviousPrivate]}} {
		if bytes.Equal(one.Certificate, c.Client.Certificate) && bytes.Equal(one.Key, c.Client.Key) {
			return true
		}
	}
	return false
}

// Problem says why the pair cannot serve under a name, empty if it can; an
// empty name is any. It repeats nothing of the key.
func (p Pair) Problem(serverName string, now time.Time) string {
	parsed, err := p.Parse()
	if err != nil {
		return "no certificate with its key"
	}
	leaf := parsed.Leaf
	switch {
	case leaf.NotAfter.Before(now):
		return "expired at " + leaf.NotAfter.UTC().Format(time.RFC3339)
	case serverName != "" && leaf.VerifyHostname(serverName) != nil:
		return fmt.Sprintf("it is for %s and not for %s", namesIn(leaf), serverName)
	}
	return ""
}

func namesIn(c *x509.Certificate) string {
	if len(c.DNSNames) == 0 {
		return "no name"
	}
	return c.DNSNames[0]
}
