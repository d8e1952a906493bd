package gateway

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/slipway-build/slipway/agent/sidecar/peer"
)

// trust is what the files say: the gateway's own certificate, and who is let in.
type trust struct {
	pair    tls.Certificate
	clients *x509.CertPool
	// authorities are those in clients.
	authorities []*x509.Certificate
	// revoked are the lists of revoked certificates.
	revoked []*x509.RevocationList
}

// parseAuthorities reads the certificates of authorities, in PEM.
func parseAuthorities(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s: only certificates of authorities belong there", block.Type)
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return all, nil
}

// parseRevoked reads lists of revoked certificates, in PEM or one in DER. Each must be
// signed by one of the authorities.
func parseRevoked(text []byte, authorities []*x509.Certificate) ([]*x509.RevocationList, error) {
	var ders [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("holds a %s: only lists of revoked certificates belong there", block.Type)
		}
		ders = append(ders, block.Bytes)
	}
	if len(ders) == 0 {
		ders = append(ders, text)
	}
	var all []*x509.RevocationList
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("holds no list of revoked certificates: %w", err)
		}
		if !signedBy(list, authorities) {
			return nil, fmt.Errorf("the list of %q is signed by none of the authorities of clients", list.Issuer)
		}
		all = append(all, list)
	}
	return all, nil
}

func signedBy(list *x509.RevocationList, authorities []*x509.Certificate) bool {
	for _, authority := range authorities {
		if list.CheckSignatureFrom(authority) == nil {
			return true
		}
	}
	return false
}

// identify returns the name of a client by its certificate, the first of the chain. The
// error says why it is not let in, for the client.
func (t trust) identify(chain []*x509.Certificate, now time.Time) (string, error) {
	if len(chain) == 0 {
		return "", errors.New("a client certificate is needed, and none was sent")
	}
	leaf := chain[0]
	intermediates := x509.NewCertPool()
	for _, one := range chain[1:] {
		intermediates.AddCert(one)
	}
	paths, err := leaf.Verify(x509.VerifyOptions{
		Roots: t.clients, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return "", fmt.Errorf("the client certificate of %q %w", nameOf(leaf), explain(leaf, err, now))
	}
	if err := t.checkRevoked(paths, now); err != nil {
		return "", fmt.Errorf("the client certificate of %q %w", nameOf(leaf), err)
	}
	name := nameOf(leaf)
	switch {
	case name == "":
		return "", errors.New("the client certificate names nobody: it needs a URI, a DNS name or a common name")
	case len(name) > maxName || !printable(name):
		return "", fmt.Errorf("the client certificate names %.300q: a name has at most %d printable ASCII characters and no space", name, maxName)
	}
	return name, nil
}

// maxName is how long the name of a client may be, in bytes: it is in each line of the
// log about the client.
const maxName = 253

func printable(name string) bool {
	for _, b := range []byte(name) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}

// nameOf is the name that a certificate gives its holder.
func nameOf(leaf *x509.Certificate) string { return peer.NameOf(leaf) }

// explain says what is wrong with a certificate. crypto/x509 does not name the authority
// that is missing.
func explain(leaf *x509.Certificate, err error, now time.Time) error {
	invalid := x509.CertificateInvalidError{}
	unknown := x509.UnknownAuthorityError{}
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(leaf.NotBefore):
		return fmt.Errorf("is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.After(leaf.NotAfter):
		return fmt.Errorf("has expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return errors.New("is not one for clients: its extended key usage lacks clientAuth")
	case errors.As(err, &unknown):
		return fmt.Errorf("was issued by %q, which is not trusted here", leaf.Issuer)
	}
	return fmt.Errorf("is not valid: %w", err)
}

// checkRevoked returns an error unless one of the paths has no revoked certificate. A list
// that is out of date says nothing of what was revoked since, so it lets nobody in.
func (t trust) checkRevoked(paths [][]*x509.Certificate, now time.Time) error {
	var last error
	for _, path := range paths {
		if last = t.checkPath(path, now); last == nil {
			return nil
		}
	}
	return last
}

func (t trust) checkPath(path []*x509.Certificate, now time.Time) error {
	for i, one := range path[:max(0, len(path)-1)] {
		issuer := path[i+1]
		for _, list := range t.revoked {
			if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || list.CheckSignatureFrom(issuer) != nil {
				continue
			}
			if !list.NextUpdate.IsZero() && now.After(list.NextUpdate) {
				return fmt.Errorf("cannot be checked: the list of certificates that %q has revoked was to be renewed by %s", issuer.Subject, list.NextUpdate.UTC().Format(time.RFC3339))
			}
			if entry := find(list, one.SerialNumber); entry != nil {
				return fmt.Errorf("was revoked at %s", entry.RevocationTime.UTC().Format(time.RFC3339))
			}
		}
	}
	return nil
}

// find returns the entry of a serial number; nil where there is none.
func find(list *x509.RevocationList, serial *big.Int) *x509.RevocationListEntry {
	for i := range list.RevokedCertificateEntries {
		if entry := &list.RevokedCertificateEntries[i]; entry.SerialNumber.Cmp(serial) == 0 {
			return entry
		}
	}
	return nil
}
