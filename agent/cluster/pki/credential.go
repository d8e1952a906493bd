package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// Credential is what an agent proves itself with to the buildkitd of one
// workload, and what it knows that buildkitd by.
type Credential struct {
	roots *x509.CertPool
	// Pairs are the client's certificates, the newest first.
	Pairs []tls.Certificate
	// ServerName is the name that the server's certificate must bear.
	ServerName string
	// Source is where it was found, for messages.
	Source string
}

// ParseCredential reads ClientData back; source says where the data was found.
// No error repeats content. ServerName is left for the caller to set.
func ParseCredential(source string, data map[string][]byte) (*Credential, error) {
	roots, err := pool(data[KeyCA])
	if err != nil {
		return nil, err
	}
	made := &Credential{Source: source, roots: roots}
	for _, keys := range [][2]string{{KeyCertificate, KeyPrivate}, {KeyPrevious, KeyPreviousPrivate}} {
		one := Pair{data[keys[0]], data[keys[1]]}
		if keys[0] == KeyPrevious && len(one.Certificate) == 0 {
			continue
		}
		parsed, err := one.Parse()
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", keys[0], keys[1], err)
		}
		made.Pairs = append(made.Pairs, parsed)
	}
	return made, nil
}

// UnacceptedError is a server that takes certificates of other authorities
// only than those that signed the ones in Source.
type UnacceptedError struct{ Source string }

// Error implements error.
func (e *UnacceptedError) Error() string {
	return "it takes no certificate of those authorities that signed the ones in " + e.Source
}

// Expiry is when the newest of the client's certificates ends.
func (c *Credential) Expiry() time.Time { return c.Pairs[0].Leaf.NotAfter }

// Due is true when less than a third of the life of the newest certificate is
// left.
func (c *Credential) Due(now time.Time) bool { return isDue(c.Pairs[0].Leaf, now) }

// Config is the TLS configuration of one connection to the server.
func (c *Credential) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: c.ServerName,
		RootCAs:    c.roots,
		NextProtos: []string{"h2"},
		// After a renewal older pods still know only the authority before.
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range c.Pairs {
				if request.SupportsCertificate(&c.Pairs[i]) == nil {
					return &c.Pairs[i], nil
				}
			}
			return nil, &UnacceptedError{c.Source}
		},
		// Records grow from a packet's size by default, for the first byte's
		// sake; here it is the last byte that counts.
		DynamicRecordSizingDisabled: true,
	}
}
