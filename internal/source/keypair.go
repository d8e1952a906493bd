package source

import "crypto/tls"

// KeyPair reads a certificate and its key, both in PEM.
func (r *Reader) KeyPair(certificate, key string) (tls.Certificate, error) {
	certPEM, err := r.Read(certificate, MaxConfig)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := r.Read(key, MaxConfig)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}
