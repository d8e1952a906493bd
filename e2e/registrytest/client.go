// Package registrytest looks at what builds have made, with another tool than
// the one that made it: images in the testbed's registry, image layouts, and
// archives.
package registrytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-build/slipway/e2e/testbed/pki"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// Client asks one registry. References are full ones or begin after the
// registry's address: "team/app:1".
type Client struct {
	address   string
	transport *http.Transport
	options   []remote.Option
}

// New makes a client with the credential of the registry's first user. Close
// lets its connections go.
func New(r state.Registry) (*Client, error) {
	return NewAs(r, r.Username)
}

// NewAs makes a client with the credential of that user of the registry.
func NewAs(r state.Registry, username string) (*Client, error) {
	if r.Address == "" {
		return nil, errors.New("this cluster has no registry for tests\nhint: bring the testbed up to date with: cd e2e && go run ./testbed up")
	}
	user, ok := r.User(username)
	if !ok {
		return nil, fmt.Errorf("the registry %s has no user %q", r.Address, username)
	}
	roots, err := pki.Pool(r.CA)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(r.Address)
	if err != nil {
		return nil, fmt.Errorf("address of the registry: %w", err)
	}
	var dialer net.Dialer
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		// No name server knows the registry's names; the certificate does.
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if named, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(named, ".slipway.test") {
				address = net.JoinHostPort(host, port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	return &Client{
		address:   r.Address,
		transport: transport,
		options: []remote.Option{
			remote.WithTransport(transport),
			remote.WithAuth(&authn.Basic{Username: user.Username, Password: user.Password}),
		},
	}, nil
}

// Close lets the client's connections go.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Ref is the full reference of one that begins after the registry's address.
func (c *Client) Ref(reference string) string {
	parsed, err := c.parse(reference)
	if err != nil {
		return reference // whoever uses it is told why it is none
	}
	return parsed.Name()
}

func (c *Client) parse(reference string) (name.Reference, error) {
	parsed, err := name.ParseReference(reference, name.WithDefaultRegistry(c.address))
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", reference, err)
	}
	return parsed, nil
}

func (c *Client) with(ctx context.Context) []remote.Option {
	return append([]remote.Option{remote.WithContext(ctx)}, c.options...)
}

// Descriptor tells of what a reference names: its media type, digest and size.
func (c *Client) Descriptor(ctx context.Context, reference string) (v1.Descriptor, error) {
	got, err := c.get(ctx, reference)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return got.Descriptor, nil
}

// Digest is the digest of what a reference names, "sha256:…".
func (c *Client) Digest(ctx context.Context, reference string) (string, error) {
	got, err := c.Descriptor(ctx, reference)
	return got.Digest.String(), err
}

func (c *Client) get(ctx context.Context, reference string) (*remote.Descriptor, error) {
	parsed, err := c.parse(reference)
	if err != nil {
		return nil, err
	}
	got, err := remote.Get(parsed, c.with(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", parsed, err)
	}
	return got, nil
}

// Index is the index that a reference names; an image alone is an error.
func (c *Client) Index(ctx context.Context, reference string) (v1.ImageIndex, error) {
	got, err := c.get(ctx, reference)
	if err != nil {
		return nil, err
	}
	index, err := got.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("%s is no index: %w", reference, err)
	}
	return index, nil
}

// Image is the image that a reference names for a platform, "linux/arm64". An
// empty platform takes a reference that names one image and no index.
func (c *Client) Image(ctx context.Context, reference, platform string) (v1.Image, error) {
	got, err := c.get(ctx, reference)
	if err != nil {
		return nil, err
	}
	if !got.MediaType.IsIndex() {
		image, err := got.Image()
		if err != nil {
			return nil, fmt.Errorf("%s is no image: %w", reference, err)
		}
		return image, checkPlatform(image, platform)
	}
	index, err := got.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("read the index %s: %w", reference, err)
	}
	return Platform(index, platform)
}

// Config is the configuration of the image that a reference names for a
// platform.
func (c *Client) Config(ctx context.Context, reference, platform string) (*v1.ConfigFile, error) {
	image, err := c.Image(ctx, reference, platform)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", reference, err)
	}
	return config, nil
}

// Tags lists the tags of a repository; one that does not exist has none.
func (c *Client) Tags(ctx context.Context, repository string) ([]string, error) {
	parsed, err := name.NewRepository(repository, name.WithDefaultRegistry(c.address))
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", repository, err)
	}
	tags, err := remote.List(parsed, c.with(ctx)...)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", parsed, err)
	}
	return tags, nil
}

// Exists tells whether there is something by that reference.
func (c *Client) Exists(ctx context.Context, reference string) (bool, error) {
	parsed, err := c.parse(reference)
	if err != nil {
		return false, err
	}
	_, err = remote.Head(parsed, c.with(ctx)...)
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", parsed, err)
	}
	return true, nil
}

// Delete removes the manifest that a reference names, a digest or a tag.
func (c *Client) Delete(ctx context.Context, reference string) error {
	// The registry deletes a tag alone where it is asked to; what is meant is
	// what the tag names.
	digest, err := c.Digest(ctx, reference)
	if err != nil {
		return err
	}
	parsed, err := c.parse(reference)
	if err != nil {
		return err
	}
	if err := remote.Delete(parsed.Context().Digest(digest), c.with(ctx)...); err != nil {
		return fmt.Errorf("delete %s: %w", parsed, err)
	}
	return nil
}

// Attestations are those of what a reference names, by platform.
func (c *Client) Attestations(ctx context.Context, reference string) (map[string][]Statement, error) {
	index, err := c.Index(ctx, reference)
	if err != nil {
		return nil, err
	}
	return Attestations(index)
}

// Validate reads everything below a reference, every byte of every layer too,
// and is nil where all of it is there and is what its digest, its size and its
// configuration say.
func (c *Client) Validate(ctx context.Context, reference string) error {
	got, err := c.get(ctx, reference)
	if err != nil {
		return err
	}
	if got.MediaType.IsIndex() {
		index, err := got.ImageIndex()
		if err != nil {
			return fmt.Errorf("read the index %s: %w", reference, err)
		}
		return Validate(index)
	}
	image, err := got.Image()
	if err != nil {
		return fmt.Errorf("read the image %s: %w", reference, err)
	}
	return validateImage(reference, image)
}
