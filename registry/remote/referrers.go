package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// maxReferrers bounds how many manifests are listed as referring to one. Pages
// beyond it are not read.
const maxReferrers = 1000

// cosignSuffixes end the tags under which cosign stores what it says of an
// image: sha256-<digest>.sig is its signatures, see
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md.
var cosignSuffixes = []string{"sig", "att", "sbom"}

// digestTag is the tag that stands for a digest: that of cosign, and of the list
// of referrers where a registry keeps none.
func digestTag(d digest.Digest) string {
	return d.Algorithm().String() + "-" + d.Encoded()
}

// Referrers lists the manifests of a repository or a layout that are about
// another one: signatures, attestations, package lists. A registry without such
// a list is asked for the tag that stands in for it, see
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers.
// complete is false when there are more of them than are read.
func (c *Client) Referrers(ctx context.Context, repository string, subject digest.Digest) (list []ocispecs.Descriptor, complete bool, err error) {
	at := registry.JoinReference(repository, subject.String())
	repo, host, err := c.place(ctx, repository)
	if err != nil {
		return nil, false, c.fail("list what refers to", at, repository, err)
	}
	list, complete, err = repo.referrers(ctx, subject)
	if err != nil {
		return nil, false, c.fail("list what refers to", at, host, err)
	}
	seen := map[digest.Digest]bool{}
	return slices.DeleteFunc(list, func(d ocispecs.Descriptor) bool {
		invalid := d.Digest.Validate() != nil || !imageindex.IsManifest(d.MediaType) || seen[d.Digest]
		seen[d.Digest] = true
		return invalid
	}), complete, nil
}

// CosignTag is a tag under which cosign stores something about an image.
type CosignTag struct {
	Tag      string
	Manifest ocispecs.Descriptor
}

// CosignTags are the tags of cosign for a manifest of a repository or a layout.
func (c *Client) CosignTags(ctx context.Context, repository string, subject digest.Digest) ([]CosignTag, error) {
	var found []CosignTag
	repo, host, err := c.place(ctx, repository)
	if err != nil {
		return nil, c.fail("resolve", repository, repository, err)
	}
	for _, suffix := range cosignSuffixes {
		tag := digestTag(subject) + "." + suffix
		m, err := repo.manifest(ctx, tag)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, c.fail("resolve", registry.JoinReference(repository, tag), host, err)
		}
		found = append(found, CosignTag{tag, m.Descriptor})
	}
	return found, nil
}

// isAbsent reports whether an error says that something is not there, or not
// for this credential.
func isAbsent(err error) bool {
	status, _, _, _ := answerOf(err)
	return err != nil && (errors.Is(err, errdef.ErrNotFound) || status/100 == 4 && !temporary(status))
}

// isUnknown reports whether an error says that something is not there.
func isUnknown(err error) bool {
	status, _, _, _ := answerOf(err)
	return err != nil && (errors.Is(err, errdef.ErrNotFound) || status == http.StatusNotFound)
}

// CopyReferrer copies a manifest that is about another one, with all that it
// refers to but that one, and makes it one of its referrers.
func (c *Client) CopyReferrer(ctx context.Context, from string, desc ocispecs.Descriptor, to string, subject digest.Digest) error {
	if from == to {
		return nil
	}
	if err := c.copy(ctx, from, desc, to, withoutSubject); err != nil {
		return err
	}
	at := registry.JoinReference(to, desc.Digest.String())
	target, host, err := c.place(ctx, to)
	if err == nil {
		err = target.link(target.writing(ctx), subject, desc)
	}
	return writingTo(c.fail("copy", at, host, err))
}

// KeptError is a tag of cosign that is there already with something else.
type KeptError struct {
	// Reference is the tag.
	Reference string
}

// Error implements error.
func (e *KeptError) Error() string {
	return e.Reference + " is there already and points at something else"
}

// CopyCosignTag copies a tag of cosign. One that points at something else there
// stays, with a *KeptError: it may hold signatures of its own.
func (c *Client) CopyCosignTag(ctx context.Context, from string, t CosignTag, to string) error {
	if from == to {
		return nil
	}
	target, host, err := c.place(ctx, to)
	ref := registry.JoinReference(to, t.Tag)
	if err != nil {
		return c.fail("copy", ref, to, err)
	}
	there, err := target.manifest(target.writing(ctx), t.Tag)
	switch {
	case err == nil && there.Descriptor.Digest == t.Manifest.Digest:
		return nil
	case err == nil:
		return &KeptError{ref}
	case !isUnknown(err): // who may not read might replace what others have put there
		return writingTo(c.fail("copy", ref, host, err))
	}
	if err := c.Copy(ctx, from, t.Manifest, to); err != nil {
		return err
	}
	m, err := c.Manifest(ctx, from, t.Manifest.Digest)
	if err != nil {
		return err
	}
	return c.Tag(ctx, ref, m)
}

// referrers implements place.
func (r *repository) referrers(ctx context.Context, subject digest.Digest) (list []ocispecs.Descriptor, complete bool, err error) {
	list, complete, supported, err := r.listReferrers(ctx, subject)
	if err != nil || supported {
		return list, complete, err
	}
	index, err := r.referrersTag(ctx, subject)
	if isAbsent(err) || errors.As(err, new(*NotAListError)) {
		return nil, true, nil
	}
	return index.Manifests, true, err
}

// NotAListError is an image under the tag of a list of referrers.
type NotAListError struct {
	// Tag is the tag.
	Tag string
}

// Error implements error.
func (e *NotAListError) Error() string { return "tag " + e.Tag + " is no list of referrers" }

// nextPage finds where a list goes on, in a header Link.
var nextPage = regexp.MustCompile(`<([^>]*)>\s*;[^,]*rel="?next"?`)

// listReferrers asks the registry for its list; complete is false when it goes on
// where it is not read, supported when the registry keeps none. An error after
// the first page comes with supported.
func (r *repository) listReferrers(ctx context.Context, subject digest.Digest) (list []ocispecs.Descriptor, complete, supported bool, err error) {
	complete = true
	for target := r.at("referrers", subject.String()); target != nil; {
		if len(list) >= maxReferrers {
			return list, false, true, nil
		}
		response, err := r.ask(r.reading(ctx), http.MethodGet, target)
		if status, _, _, _ := answerOf(err); err != nil && status/100 == 4 && !supported {
			return nil, true, false, nil // the token service knows no such right
		} else if err != nil {
			return nil, false, supported, err
		}
		page, next, err := readReferrers(response, supported)
		if err != nil || page == nil {
			return nil, complete, supported, err
		}
		supported = true
		list = append(list, page.Manifests...)
		if next != nil && (!sameOrigin(target, next) || len(page.Manifests) == 0) {
			complete = len(page.Manifests) == 0
			next = nil
		}
		target = next
	}
	return list, complete, supported, nil
}

// readReferrers reads a page of a list of referrers, and where the next one is;
// nil where the answer is none, which is an error for a page that follows
// another one.
func readReferrers(response *http.Response, follows bool) (*ocispecs.Index, *url.URL, error) {
	defer response.Body.Close()
	none := response.StatusCode/100 == 4 && !temporary(response.StatusCode) || response.StatusCode == http.StatusNotImplemented
	switch {
	case none && !follows:
		return nil, nil, nil
	case response.StatusCode != http.StatusOK:
		return nil, nil, refusal(response)
	}
	data, err := imageindex.ReadAtMost(response.Body, imageindex.MaxManifest)
	if err != nil {
		return nil, nil, err
	}
	var index ocispecs.Index
	if json.Unmarshal(data, &index) != nil || index.MediaType != ocispecs.MediaTypeImageIndex && !strings.HasPrefix(response.Header.Get("Content-Type"), ocispecs.MediaTypeImageIndex) {
		if follows {
			return nil, nil, errors.New("a later page of its list of referrers is no index")
		}
		return nil, nil, nil // a page for people, or one of another API
	}
	var next *url.URL
	if found := nextPage.FindStringSubmatch(strings.Join(response.Header.Values("Link"), ",")); found != nil {
		if next, err = response.Request.URL.Parse(found[1]); err != nil {
			return nil, nil, fmt.Errorf("%s does not say where its list goes on", response.Request.URL.Host)
		}
	}
	return &index, next, nil
}

// referrersTag reads the list that is kept under a tag; one that is not there is
// empty.
func (r *repository) referrersTag(ctx context.Context, subject digest.Digest) (ocispecs.Index, error) {
	index := ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageIndex}
	m, err := r.manifest(ctx, digestTag(subject))
	switch {
	case isUnknown(err):
		return index, nil
	case err != nil:
		return index, err
	case !m.IsIndex(): // somebody's image that is called so
		return index, &NotAListError{digestTag(subject)}
	}
	return imageindex.Decode(m)
}

// link implements place: who pushes to a registry that keeps no list of
// referrers keeps it under a tag.
func (r *repository) link(ctx context.Context, subject digest.Digest, desc ocispecs.Descriptor) error {
	_, _, supported, err := r.listReferrers(ctx, subject)
	if supported {
		return nil // whether the whole list can be read does not matter
	}
	if err != nil {
		return err
	}
	index, err := r.referrersTag(ctx, subject)
	if err != nil || slices.ContainsFunc(index.Manifests, func(d ocispecs.Descriptor) bool { return d.Digest == desc.Digest }) {
		return err
	}
	index.Manifests = append(index.Manifests, ocispecs.Descriptor{
		MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, ArtifactType: desc.ArtifactType, Annotations: desc.Annotations,
	})
	data, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return r.put(ctx, imageindex.Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageIndex, Digest: digest.FromBytes(data), Size: int64(len(data))},
		Content:    data,
	}, digestTag(subject))
}

// subjectOf is what a manifest says that it is about; empty for nothing.
func subjectOf(ctx context.Context, fetcher content.Fetcher, desc ocispecs.Descriptor) (digest.Digest, error) {
	body, err := fetcher.Fetch(ctx, desc)
	if err != nil {
		return "", err
	}
	defer body.Close()
	data, err := imageindex.ReadContent(body, desc, imageindex.MaxManifest)
	if err != nil {
		return "", err
	}
	var manifest struct {
		Subject *ocispecs.Descriptor `json:"subject"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil || manifest.Subject == nil {
		return "", err
	}
	return manifest.Subject.Digest, nil
}
