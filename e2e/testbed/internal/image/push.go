package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push brings an index and everything below it into a registry that has a
// certificate of those roots, unless it is there. It tells whether it did.
func Push(ctx context.Context, reference string, index v1.ImageIndex, roots *x509.CertPool, username, password string) (bool, error) {
	to, err := name.ParseReference(reference)
	if err != nil {
		return false, fmt.Errorf("push %s: %w", reference, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return false, fmt.Errorf("digest of %s: %w", reference, err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(transport),
		remote.WithAuth(&authn.Basic{Username: username, Password: password}),
	}
	// An error is most often the 404 of a new registry; any other comes again.
	if there, err := remote.Head(to, options...); err == nil && there.Digest == digest {
		return false, nil
	}
	if err := remote.WriteIndex(to, index, options...); err != nil {
		return false, fmt.Errorf("push %s: %w", reference, err)
	}
	return true, nil
}
