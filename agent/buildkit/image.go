package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Image is the image of one platform as a daemon has it. Its layers stay there.
type Image struct {
	// Platform is what the image is for.
	Platform ocispecs.Platform
	// Descriptor is the manifest's: media type, digest and size.
	Descriptor ocispecs.Descriptor
	// Manifest and Config are their exact bytes.
	Manifest, Config []byte
	// ConfigDigest is the digest of Config, which docker calls the image's ID.
	ConfigDigest digest.Digest
	// Sources are the images that it was built from, NAME@DIGEST, as far as the daemon
	// has recorded them.
	Sources []string
}

// Images reads what a solve has exported as an image, which Result.Descriptor describes,
// from the daemon: each of the images of an index, without attestations. The ref is
// Result.Ref. What cannot be read is a *fault.Builder.
func (d *Daemon) Images(ctx context.Context, ref string, root ocispecs.Descriptor) ([]Image, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer d.Guard(ctx, cancel)()
	images, err := d.images(ctx, root)
	if err != nil {
		const what = "read the image from the builder"
		if ctx.Err() == nil && !unreachable(err) {
			return nil, &fault.Builder{What: what, Err: err}
		}
		return nil, Explain(ctx, fmt.Errorf("%s: %w", what, err))
	}
	// Without them the image can still be pushed from what the daemon holds.
	recorded, err := d.Provenance(ctx, ref, ProvenanceMin)
	if err == nil {
		for i := range images {
			for _, provenance := range recorded {
				images[i].Sources = append(images[i].Sources, imageSources(provenance)...)
			}
		}
	}
	return images, nil
}

func (d *Daemon) images(ctx context.Context, root ocispecs.Descriptor) ([]Image, error) {
	list := []ocispecs.Descriptor{root}
	if !imageindex.IsImage(root.MediaType) {
		data, err := d.blob(ctx, root)
		if err != nil {
			return nil, err
		}
		if list, err = imageindex.Members(imageindex.Manifest{Descriptor: root, Content: data}); err != nil {
			return nil, err
		}
	}
	var images []Image
	for _, desc := range list {
		if imageindex.IsAttestation(desc) || !imageindex.IsImage(desc.MediaType) {
			continue
		}
		image, err := d.image(ctx, desc)
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	if len(images) == 0 {
		return nil, errors.New("there is none")
	}
	return images, nil
}

func (d *Daemon) image(ctx context.Context, desc ocispecs.Descriptor) (image Image, err error) {
	image.Descriptor = ocispecs.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
	if image.Manifest, err = d.blob(ctx, desc); err != nil {
		return image, err
	}
	var manifest ocispecs.Manifest
	if err := json.Unmarshal(image.Manifest, &manifest); err != nil {
		return image, fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	image.ConfigDigest = manifest.Config.Digest
	if image.Config, err = d.blob(ctx, manifest.Config); err != nil {
		return image, err
	}
	if err := json.Unmarshal(image.Config, &image.Platform); err != nil {
		return image, fmt.Errorf("configuration %s: %w", manifest.Config.Digest, err)
	}
	return image, nil
}

// maxImageValues bounds the values in a manifest or configuration: each takes many
// times the memory that it has in JSON.
const maxImageValues = 200_000

// blob reads a manifest or a configuration.
func (d *Daemon) blob(ctx context.Context, desc ocispecs.Descriptor) ([]byte, error) {
	if err := desc.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("digest %q: %w", desc.Digest, err)
	}
	data, err := ReadBlob(ctx, proxy.NewContentStore(d.client.ContentClient()), desc, imageindex.MaxManifest)
	if err == nil && CountValues(data) > maxImageValues {
		err = fmt.Errorf("it has more than the %d values that are read", maxImageValues)
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", desc.Digest, err)
	}
	return data, nil
}

// Blob reads a manifest or a configuration from the daemon. One that it does not have is
// among the Missing.
func (d *Daemon) Blob(ctx context.Context, desc ocispecs.Descriptor) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer d.Guard(ctx, cancel)()
	data, err := d.blob(ctx, desc)
	if err != nil {
		return nil, explainRequest(ctx, "read the image from the builder", err)
	}
	return data, nil
}

// Missing returns those of some blobs that the daemon does not have.
func (d *Daemon) Missing(ctx context.Context, blobs []digest.Digest) ([]digest.Digest, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer d.Guard(ctx, cancel)()
	store := proxy.NewContentStore(d.client.ContentClient())
	var missing []digest.Digest
	for _, blob := range blobs {
		_, err := store.Info(ctx, blob)
		switch {
		case err == nil:
		case errdefs.IsNotFound(err):
			missing = append(missing, blob)
		default:
			return nil, explainRequest(ctx, "ask buildkitd for the layers of the image", err)
		}
	}
	return missing, nil
}

// imageSources are the images among the materials of a provenance, NAME@DIGEST.
func imageSources(provenance json.RawMessage) []string {
	var predicate types.ProvenancePredicateSLSA02
	if json.Unmarshal(provenance, &predicate) != nil {
		return nil
	}
	var list []string
	for _, material := range predicate.Materials {
		name, ok := packageImage(material.URI)
		if sum, err := digest.Parse("sha256:" + material.Digest["sha256"]); ok && err == nil {
			list = append(list, name+"@"+sum.String())
		}
	}
	return list
}

// packageImage returns the repository of a package URL for an image,
// pkg:docker/NAMESPACE/NAME@TAG?platform=…, normalized; false for what is none
// (https://github.com/package-url/purl-spec).
func packageImage(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "pkg:docker/")
	if !ok {
		return "", false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = rest[:at]
	}
	name, err := url.PathUnescape(rest)
	if err != nil {
		return "", false
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil || !reference.IsNameOnly(named) {
		return "", false
	}
	return named.Name(), true
}
