package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Options are what a Client needs to know.
type Options struct {
	// Keychain is asked for a credential whenever a registry asks for one; nil
	// is anonymous.
	Keychain registry.Keychain
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
	// WorkDir is where relative paths of OCI image layouts begin. What links
	// below it lead out of it is not written to.
	WorkDir string
	// Log receives a warning for every try but the first.
	Log zerolog.Logger
}

// Client reads and writes images in registries. Its tokens are kept for its
// life. It is safe for concurrent use.
//
// Repositories and references are normalized: docker.io/library/name[:tag]. In
// the place of a repository may be a directory with an OCI image layout, see
// registry.LayoutScheme. Errors are *Error, a *fault.Usage for a name that is none
// and for a layout, or wrap context.Canceled.
type Client struct {
	connections *connections
	auth        *authorizer
	challenges  challenges
	limits      limits
	log         zerolog.Logger
	workdir     string
	// readable are the repositories that Check was allowed to pull from, by URL.
	readable sync.Map
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
		limits:  l,
		log:     o.Log,
		workdir: o.WorkDir,
	}
}

// Fetch returns a manifest or index of a repository, verified against the
// descriptor's digest. An image manifest comes with its platform, read from
// its configuration when desc has none.
func (c *Client) Fetch(ctx context.Context, repository string, desc ocispecs.Descriptor) (imageindex.Manifest, error) {
	m, err := c.Manifest(ctx, repository, desc.Digest)
	if err != nil {
		return imageindex.Manifest{}, err
	}
	m.Descriptor.Annotations = desc.Annotations
	m.Descriptor.Platform = desc.Platform
	if p := desc.Platform; imageindex.IsImage(m.Descriptor.MediaType) && (p == nil || p.OS == "" || p.Architecture == "") {
		m.Descriptor.Platform, err = c.Platform(ctx, repository, m, p)
	}
	return m, err
}

// Manifest returns a manifest or index of a repository, verified against the
// digest. Its descriptor has media type, digest and size.
func (c *Client) Manifest(ctx context.Context, repository string, d digest.Digest) (imageindex.Manifest, error) {
	return c.read(ctx, "fetch", repository, d.String())
}

// Resolve returns the manifest or index behind a reference with a tag or a
// digest. Its descriptor has media type, digest and size.
func (c *Client) Resolve(ctx context.Context, ref string) (imageindex.Manifest, error) {
	repository, what, err := registry.SplitReference(ref)
	if err != nil {
		return imageindex.Manifest{}, err
	}
	return c.read(ctx, "resolve", repository, what)
}

// read fetches a manifest by tag or digest.
func (c *Client) read(ctx context.Context, op, repository, what string) (imageindex.Manifest, error) {
	repo, host, err := c.place(ctx, repository)
	if err != nil {
		return imageindex.Manifest{}, c.fail(op, registry.JoinReference(repository, what), repository, err)
	}
	var m imageindex.Manifest
	err = c.retry(ctx, host, func(ctx context.Context) (err error) {
		m, err = repo.manifest(ctx, what)
		return err
	})
	return m, c.fail(op, registry.JoinReference(repository, what), host, err)
}

// Blob fetches a blob whole; one of more than limit bytes is an error.
func (c *Client) Blob(ctx context.Context, repository string, desc ocispecs.Descriptor, limit int64) ([]byte, error) {
	repo, host, err := c.place(ctx, repository)
	if err != nil {
		return nil, c.fail("fetch", registry.JoinReference(repository, desc.Digest.String()), repository, err)
	}
	var data []byte
	err = c.retry(ctx, host, func(ctx context.Context) error {
		body, err := repo.Fetch(ctx, desc)
		if err != nil {
			return err
		}
		defer body.Close()
		data, err = imageindex.ReadContent(body, desc, limit)
		return err
	})
	return data, c.fail("fetch", registry.JoinReference(repository, desc.Digest.String()), host, err)
}

// Platform reads the platform of an image from its configuration; what known
// has already stays. It is known where the configuration names none.
func (c *Client) Platform(ctx context.Context, repository string, m imageindex.Manifest, known *ocispecs.Platform) (*ocispecs.Platform, error) {
	read, err := c.FullPlatform(ctx, repository, m)
	if err != nil || read == nil {
		return known, err // an artifact; who needs its platform will say so
	}
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

// FullPlatform reads the platform of an image from its configuration, with the
// version and the features of its operating system; nil where the configuration
// names none.
func (c *Client) FullPlatform(ctx context.Context, repository string, m imageindex.Manifest) (*ocispecs.Platform, error) {
	var manifest ocispecs.Manifest
	if err := json.Unmarshal(m.Content, &manifest); err != nil {
		return nil, &imageindex.AssembleError{Problem: fmt.Sprintf("manifest %s is not valid JSON: %s", m.Descriptor.Digest, err)}
	}
	config, err := c.Blob(ctx, repository, manifest.Config, imageindex.MaxManifest)
	if err != nil {
		return nil, err
	}
	var read ocispecs.Platform
	if err := json.Unmarshal(config, &read); err != nil || read.OS == "" || read.Architecture == "" {
		return nil, nil
	}
	read = platforms.Normalize(read)
	return &read, nil
}

// Push uploads a manifest or index under its digest, unless it is there. What
// it refers to must be there.
func (c *Client) Push(ctx context.Context, repository string, m imageindex.Manifest) error {
	what := m.Descriptor.Digest.String()
	repo, host, err := c.place(ctx, repository)
	if err == nil {
		err = m.Verify()
	}
	if err != nil {
		return c.fail("push", registry.JoinReference(repository, what), repository, err)
	}
	ctx = repo.writing(ctx)
	there, err := repo.Exists(ctx, m.Descriptor)
	if err == nil && !there {
		err = repo.put(ctx, m, what)
	}
	return c.fail("push", registry.JoinReference(repository, what), host, err)
}

// Tag makes a reference with a tag point at a manifest of its repository and
// verifies that it does. A registry that has taken the tag and does not show
// it, not yet or not to this credential, is believed; one that shows another
// manifest is not.
func (c *Client) Tag(ctx context.Context, ref string, m imageindex.Manifest) error {
	repository, tag, err := registry.SplitReference(ref)
	if err != nil {
		return err
	}
	repo, host, err := c.place(ctx, repository)
	if err == nil {
		err = m.Verify()
	}
	if err != nil {
		return c.fail("tag", registry.JoinReference(repository, tag), repository, err)
	}
	ctx = repo.writing(ctx)
	if err = repo.name(ctx, m, tag); err == nil {
		err = c.confirm(ctx, repo, host, tag, m.Descriptor.Digest)
	} else if mayBeThere(err) {
		// An immutable tag that is right already cannot be set again.
		if found, readErr := repo.current(ctx, tag, m.Descriptor.Digest); readErr == nil && found == m.Descriptor.Digest {
			return nil
		}
	}
	return c.fail("tag", registry.JoinReference(repository, tag), host, err)
}

// mayBeThere reports whether a registry may have refused to set a tag because
// it exists. Which status says so differs: 400 of Amazon ECR, 403 of
// Artifactory and Nexus, 409, 412 of Harbor.
func mayBeThere(err error) bool {
	status, _, _, _ := answerOf(err)
	return status/100 == 4 && status != http.StatusUnauthorized && status != http.StatusNotFound && !temporary(status)
}

// confirmations is how often a tag is read that points elsewhere right after
// it was set: a registry of several servers may show what was there before for
// some seconds.
const confirmations = 4

// confirm reads a tag back that was set.
func (c *Client) confirm(ctx context.Context, repo place, host, tag string, want digest.Digest) error {
	for attempt := 0; ; attempt++ {
		found, err := repo.current(ctx, tag, want)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.log.Debug().Str("registry", host).Str("tag", tag).Str("reason", bareError(err)).
				Msg("the registry has taken the tag and does not show it")
			return nil
		case found == want:
			return nil
		case attempt+1 >= confirmations:
			return &MovedError{Want: want.String(), Got: found.String()}
		}
		if err := sleep(ctx, c.limits.wait(attempt, 0)); err != nil {
			return err
		}
	}
}
