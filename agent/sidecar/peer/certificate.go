package peer

import "crypto/x509"

// NameOf is the name that a certificate gives a client: its first URI, such as
// spiffe://example/ci, else its first DNS name, else its common name; empty where it has
// none. Whether the certificate is to be believed is not asked.
func NameOf(certificate *x509.Certificate) string {
	switch {
	case len(certificate.URIs) > 0:
		return certificate.URIs[0].String()
	case len(certificate.DNSNames) > 0:
		return certificate.DNSNames[0]
	}
	return certificate.Subject.CommonName
}
