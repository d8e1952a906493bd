package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"
	"oras.land/oras-go/v2/content"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/slipway-build/slipway/internal/source"
)

// maxManifest is the size in bytes up to which a registry must take manifests
// and indexes, as the distribution specification has it. Image configurations
// are held to it as well.
const maxManifest = 4 << 20

// Options are what a Client needs to know.
type Options struct {
	// Keychain is asked for a credential whenever a registry asks for one; nil
	// is anonymous.
	Keychain Keychain
	// Hosts are settings of single registries; others are spoken to over TLS
	// with the system's certificate authorities, and this machine in plain
	// HTTP.
	Hosts Hosts
	// CertDirs are searched for certificates of registries, see CertDirs.
	CertDirs []string
	// Files reads the certificates; nil reads regular files only.
	Files *source.Reader
	// UserAgent is how the client calls itself, name/version.
	UserAgent string
	// Log receives a warning for every try but the first.
	Log zerolog.Logger
}

// Client reads and writes images in registries. Its tokens are kept for its
// life. It is safe for concurrent use.
//
// Repositories and references are normalized: docker.io/library/name[:tag].
// Errors are *Error, a *UsageError for a name that is none, or wrap
// context.Canceled.
type Client struct {
	connections *connections
	auth        *authorizer
	limits      limits
	log         zerolog.Logger
}

// New returns a client; it connects to nothing yet.
func New(o Options) *Client { return newClient(o, defaultLimits()) }

func newClient(o Options, l limits) *Client {
	connections := newConnections(o, l)
	return &Client{
		connections: connections,
		auth: newAuthorizer(o.Keychain, &transport{
			connections: connections,
			limits:      l,
			log:         o.Log,
			userAgent:   o.UserAgent,
		}),
		limits: l,
		log:    o.Log,
	}
}

// repository is one repository for the library, and the host that its
// requests go to.
func (c *Client) repository(ctx context.Context, name string) (*remote.Repository, string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil || !reference.IsNameOnly(named) {
		return nil, "", &UsageError{Flag: "repository", Value: name, Problem: "is not the name of a repository"}
	}
	ref := orasregistry.Reference{Registry: reference.Domain(named), Repository: reference.Path(named)}
	plain, err := c.connections.plainHTTP(ctx, ref.Host())
	if err != nil {
		return nil, "", err
	}
	return &remote.Repository{
		Client:    c.auth,
		Reference: ref,
		PlainHTTP: plain,
		// Deleting old lists of referrers is the registry's business.
		SkipReferrersGC: true,
	}, ref.Host(), nil
}

// Fetch returns a manifest or index of a repository, verified against the
// descriptor's digest. An image manifest comes with its platform, read from
// its configuration when desc has none.
func (c *Client) Fetch(ctx context.Context, repository string, desc ocispecs.Descriptor) (Manifest, error) {
	m, err := c.read(ctx, "fetch", repository, desc.Digest.String())
	if err != nil {
		return Manifest{}, err
	}
	m.Descriptor.Annotations = desc.Annotations
	m.Descriptor.Platform = desc.Platform
	if p := desc.Platform; isImage(m.Descriptor.MediaType) && (p == nil || p.OS == "" || p.Architecture == "") {
		m.Descriptor.Platform, err = c.platform(ctx, repository, m, p)
	}
	return m, err
}

// Resolve returns the manifest or index behind a reference with a tag or a
// digest. Its descriptor has media type, digest and size.
func (c *Client) Resolve(ctx context.Context, ref string) (Manifest, error) {
	repository, what, err := splitReference(ref)
	if err != nil {
		return Manifest{}, err
	}
	return c.read(ctx, "resolve", repository, what)
}

// splitReference splits a normalized reference into its repository and its
// digest, else its tag.
func splitReference(ref string) (repository, what string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", &UsageError{Flag: "reference", Value: ref, Problem: "is not an image reference: " + err.Error()}
	}
	named = reference.TagNameOnly(named)
	if digested, ok := named.(reference.Digested); ok {
		return named.Name(), digested.Digest().String(), nil
	}
	tagged, ok := named.(reference.Tagged)
	if !ok {
		return "", "", &UsageError{Flag: "reference", Value: ref, Problem: "has no tag"}
	}
	return named.Name(), tagged.Tag(), nil
}

// join is a repository with a tag or digest.
func join(repository, what string) string {
	if _, err := digest.Parse(what); err == nil {
		return repository + "@" + what
	}
	return repository + ":" + what
}

// read fetches a manifest by tag or digest.
func (c *Client) read(ctx context.Context, op, repository, what string) (Manifest, error) {
	repo, host, err := c.repository(ctx, repository)
	if err != nil {
		return Manifest{}, c.fail(op, join(repository, what), repository, err)
	}
	var m Manifest
	err = c.again(ctx, host, func(ctx context.Context) error {
		desc, body, err := repo.Manifests().FetchReference(ctx, what)
		if err != nil {
			return err
		}
		defer body.Close()
		m = Manifest{Descriptor: desc}
		m.Content, err = readVerified(body, desc, maxManifest)
		return err
	})
	return m, c.fail(op, join(repository, what), host, err)
}

// blob fetches a small blob whole.
func (c *Client) blob(ctx context.Context, repository string, desc ocispecs.Descriptor, limit int64) ([]byte, error) {
	repo, host, err := c.repository(ctx, repository)
	if err != nil {
		return nil, c.fail("fetch", join(repository, desc.Digest.String()), repository, err)
	}
	var data []byte
	err = c.again(ctx, host, func(ctx context.Context) error {
		body, err := repo.Blobs().Fetch(ctx, desc)
		if err != nil {
			return err
		}
		defer body.Close()
		data, err = readVerified(body, desc, limit)
		return err
	})
	return data, c.fail("fetch", join(repository, desc.Digest.String()), host, err)
}

func readVerified(body io.Reader, desc ocispecs.Descriptor, limit int64) ([]byte, error) {
	if desc.Size > limit {
		return nil, fmt.Errorf("its size of %d bytes is more than the %d that are read", desc.Size, limit)
	}
	return content.ReadAll(body, desc)
}

// platform reads the platform of an image from its configuration; what known
// has already stays.
func (c *Client) platform(ctx context.Context, repository string, m Manifest, known *ocispecs.Platform) (*ocispecs.Platform, error) {
	var manifest ocispecs.Manifest
	if err := json.Unmarshal(m.Content, &manifest); err != nil {
		return nil, &AssembleError{Problem: fmt.Sprintf("manifest %s is not valid JSON: %s", m.Descriptor.Digest, err)}
	}
	config, err := c.blob(ctx, repository, manifest.Config, maxManifest)
	if err != nil {
		return nil, err
	}
	var read ocispecs.Platform
	if err := json.Unmarshal(config, &read); err != nil || read.OS == "" || read.Architecture == "" {
		return known, nil // an artifact; who needs its platform will say so
	}
	read = platforms.Normalize(read)
	// As docker buildx does it: the OS version stays out.
	p := ocispecs.Platform{OS: read.OS, Architecture: read.Architecture, Variant: read.Variant}
	if known != nil {
		p = *known
		if p.Architecture == "" {
			p.Architecture = read.Architecture
			if p.Variant == "" {
				p.Variant = read.Variant
			}
		}
		if p.OS == "" {
			p.OS = read.OS
		}
	}
	return &p, nil
}

// writing is a context in which one token serves for reading and writing a
// repository.
func writing(ctx context.Context, repo *remote.Repository) context.Context {
	return auth.AppendRepositoryScope(ctx, repo.Reference, auth.ActionPull, auth.ActionPush)
}

// Push uploads a manifest or index under its digest, unless it is there. What
// it refers to must be there.
func (c *Client) Push(ctx context.Context, repository string, m Manifest) error {
	what := m.Descriptor.Digest.String()
	repo, host, err := c.repository(ctx, repository)
	if err != nil {
		return c.fail("push", join(repository, what), repository, err)
	}
	return c.fail("push", join(repository, what), host, c.put(ctx, repo, m, what, true))
}

// Tag makes a reference with a tag point at a manifest of its repository and
// verifies that it does.
func (c *Client) Tag(ctx context.Context, ref string, m Manifest) error {
	repository, tag, err := splitReference(ref)
	if err != nil {
		return err
	}
	repo, host, err := c.repository(ctx, repository)
	if err != nil {
		return c.fail("tag", join(repository, tag), repository, err)
	}
	err = c.put(ctx, repo, m, tag, false)
	if err == nil {
		err = c.verify(ctx, repo, tag, m.Descriptor.Digest)
	}
	return c.fail("tag", join(repository, tag), host, err)
}

// put uploads a manifest under a tag or its digest.
func (c *Client) put(ctx context.Context, repo *remote.Repository, m Manifest, what string, skip bool) error {
	if got := digest.FromBytes(m.Content); got != m.Descriptor.Digest {
		return fmt.Errorf("the content has digest %s, not %s", got, m.Descriptor.Digest)
	}
	ctx = writing(ctx, repo)
	if skip {
		if there, err := repo.Manifests().Exists(ctx, m.Descriptor); err != nil || there {
			return err
		}
	}
	return repo.Manifests().PushReference(ctx, m.Descriptor, bytes.NewReader(m.Content), what)
}

// verify reads a tag back.
func (c *Client) verify(ctx context.Context, repo *remote.Repository, tag string, want digest.Digest) error {
	ctx = writing(ctx, repo)
	found, err := repo.Manifests().Resolve(ctx, tag)
	if status, _, _, _ := answerOf(err); err != nil && status == 0 && !temporaryFailure(err) {
		// A registry whose answer to HEAD is incomplete; GET tells.
		var body io.ReadCloser
		if found, body, err = repo.Manifests().FetchReference(ctx, tag); err == nil {
			err = body.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("the tag is set, but reading it back failed: %w", err)
	}
	if found.Digest != want {
		return &MovedError{Want: want.String(), Got: found.Digest.String()}
	}
	return nil
}
