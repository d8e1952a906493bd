package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// repository is one repository of a registry, a storage for oras-go.
//
// oras-go's own is not used: it refuses answers that other clients take, such
// as a manifest without a Content-Length or a HEAD that is not allowed. Here
// only the content decides, by its digest; docs/registries.md lists what
// registries answer.
type repository struct {
	client *Client
	ref    orasregistry.Reference
	// base is the URL of the repository, up to /v2/NAME/.
	base url.URL
}

// repository returns a repository by its normalized name, and the host that
// its requests go to.
func (c *Client) repository(ctx context.Context, name string) (*repository, string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil || !reference.IsNameOnly(named) {
		return nil, "", &fault.Usage{Flag: "repository", Value: name, Problem: "is not the name of a repository"}
	}
	ref := orasregistry.Reference{Registry: reference.Domain(named), Repository: reference.Path(named)}
	plain, err := c.connections.plainHTTP(ctx, ref.Host())
	if err != nil {
		return nil, "", err
	}
	base := url.URL{Scheme: "https", Host: ref.Host(), Path: "/v2/" + ref.Repository + "/"}
	if plain {
		base.Scheme = "http"
	}
	return &repository{client: c, ref: ref, base: base}, ref.Host(), nil
}

// reading is a context whose token serves for reading the repository.
func (r *repository) reading(ctx context.Context) context.Context {
	return auth.AppendRepositoryScope(ctx, r.ref, auth.ActionPull)
}

// writing is a context in which one token serves for reading and writing the
// repository.
func (r *repository) writing(ctx context.Context) context.Context {
	return auth.AppendRepositoryScope(ctx, r.ref, auth.ActionPull, auth.ActionPush)
}

// at is the URL of something below the repository.
func (r *repository) at(path ...string) *url.URL {
	target := r.base
	target.Path += strings.Join(path, "/")
	return &target
}

// acceptManifests are the types of manifests that may be answered.
var acceptManifests = strings.Join([]string{
	ocispecs.MediaTypeImageIndex, ocispecs.MediaTypeImageManifest,
	imageindex.MediaTypeDockerList, imageindex.MediaTypeDockerManifest, imageindex.MediaTypeArtifact, "*/*;q=0.1",
}, ", ")

// ask sends a request without a body.
func (r *repository) ask(ctx context.Context, method string, target *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if strings.Contains(target.Path, "/manifests/") {
		request.Header.Set("Accept", acceptManifests)
	}
	return r.client.auth.Do(request)
}

// manifest reads a manifest by tag or digest. Its digest is that of the
// content, whatever the headers say.
func (r *repository) manifest(ctx context.Context, what string) (imageindex.Manifest, error) {
	response, err := r.ask(r.reading(ctx), http.MethodGet, r.at("manifests", what))
	if err != nil {
		return imageindex.Manifest{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return imageindex.Manifest{}, refusal(response)
	}
	data, err := imageindex.ReadAtMost(response.Body, imageindex.MaxManifest)
	if err != nil {
		return imageindex.Manifest{}, err
	}
	d := digest.FromBytes(data)
	if want, err := digest.Parse(what); err == nil {
		if d = want.Algorithm().FromBytes(data); d != want {
			return imageindex.Manifest{}, fmt.Errorf("digest mismatch: the content has digest %s", d)
		}
	}
	return imageindex.Manifest{
		Descriptor: ocispecs.Descriptor{
			MediaType: manifestType(response.Header.Get("Content-Type"), data),
			Digest:    d,
			Size:      int64(len(data)),
		},
		Content: data,
	}, nil
}

// manifestType is the type that the registry says a manifest has, or what the
// manifest says itself where the registry says nothing of use.
func manifestType(header string, data []byte) string {
	said, _, err := mime.ParseMediaType(header)
	if err == nil && imageindex.IsManifest(said) {
		return said
	}
	var own struct {
		MediaType string            `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
		Config    json.RawMessage   `json:"config"`
	}
	if json.Unmarshal(data, &own) != nil {
		return said
	}
	switch {
	case own.MediaType != "":
		return own.MediaType
	case own.Manifests != nil:
		return ocispecs.MediaTypeImageIndex
	case own.Config != nil:
		return ocispecs.MediaTypeImageManifest
	}
	return said
}

// current returns the digest that a tag points at. HEAD is believed only where
// it confirms the digest that is wanted: registries answer it with 404 or 405,
// without a digest or with that of something else.
func (r *repository) current(ctx context.Context, tag string, want digest.Digest) (digest.Digest, error) {
	response, err := r.ask(r.reading(ctx), http.MethodHead, r.at("manifests", tag))
	if err != nil {
		return "", err
	}
	_ = response.Body.Close()
	if response.StatusCode == http.StatusOK && response.Header.Get("Docker-Content-Digest") == want.String() {
		return want, nil
	}
	m, err := r.manifest(ctx, tag)
	return m.Descriptor.Digest, err
}

// place is where content is.
func (r *repository) place(desc ocispecs.Descriptor) *url.URL {
	if imageindex.IsManifest(desc.MediaType) {
		return r.at("manifests", desc.Digest.String())
	}
	return r.at("blobs", desc.Digest.String())
}

// Exists reports whether content is known to be there. A refusal is a no: who
// may only push learns nothing, and the push that follows will tell.
// Implements content.ReadOnlyStorage.
func (r *repository) Exists(ctx context.Context, desc ocispecs.Descriptor) (bool, error) {
	response, err := r.ask(r.reading(ctx), http.MethodHead, r.place(desc))
	if status, _, _, _ := answerOf(err); err != nil && (status == 0 || temporary(status)) {
		return false, err
	} else if err != nil {
		return false, nil
	}
	defer response.Body.Close()
	if temporary(response.StatusCode) {
		return false, refusal(response)
	}
	said := response.Header.Get("Docker-Content-Digest")
	return response.StatusCode == http.StatusOK && (said == "" || said == desc.Digest.String()), nil
}

// Fetch returns content, that of a manifest verified. Implements
// content.ReadOnlyStorage.
func (r *repository) Fetch(ctx context.Context, desc ocispecs.Descriptor) (io.ReadCloser, error) {
	if imageindex.IsManifest(desc.MediaType) {
		m, err := r.manifest(ctx, desc.Digest.String())
		return io.NopCloser(bytes.NewReader(m.Content)), err
	}
	response, err := r.ask(r.reading(ctx), http.MethodGet, r.place(desc))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, refusal(response)
	}
	return response.Body, nil
}

// Push uploads content under its digest. Implements content.Pusher.
func (r *repository) Push(ctx context.Context, desc ocispecs.Descriptor, data io.Reader) error {
	if !imageindex.IsManifest(desc.MediaType) {
		return r.upload(ctx, desc, func() (io.ReadCloser, error) { return io.NopCloser(data), nil })
	}
	manifest, err := imageindex.ReadContent(data, desc, imageindex.MaxManifest)
	if err != nil {
		return err
	}
	return r.put(ctx, imageindex.Manifest{Descriptor: desc, Content: manifest}, desc.Digest.String())
}

// put uploads a manifest under a tag or its digest.
func (r *repository) put(ctx context.Context, m imageindex.Manifest, what string) error {
	request, err := http.NewRequestWithContext(r.writing(ctx), http.MethodPut, r.at("manifests", what).String(), bytes.NewReader(m.Content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", m.Descriptor.MediaType)
	response, err := r.client.auth.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !succeeded(response) {
		return refusal(response)
	}
	return nil
}

// name implements place.
func (r *repository) name(ctx context.Context, m imageindex.Manifest, what string) error {
	return r.put(ctx, m, what)
}

// succeeded reports whether a registry has done what it was asked for: which
// of the statuses it answers differs.
func succeeded(response *http.Response) bool { return response.StatusCode/100 == 2 }

// upload uploads a blob.
func (r *repository) upload(ctx context.Context, desc ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	begun, err := r.ask(r.writing(ctx), http.MethodPost, r.at("blobs", "uploads/"))
	if err != nil {
		return err
	}
	defer begun.Body.Close()
	if !succeeded(begun) {
		return refusal(begun)
	}
	return r.finish(ctx, begun, desc, open)
}

// Mount makes a blob of another repository of the registry one of this, or
// uploads it where that is not possible: not with this registry, or not with
// this credential. Implements registry.Mounter.
func (r *repository) Mount(ctx context.Context, desc ocispecs.Descriptor, from string, open func() (io.ReadCloser, error)) error {
	source := r.ref
	source.Repository = from
	target := r.at("blobs", "uploads/")
	target.RawQuery = url.Values{"mount": {desc.Digest.String()}, "from": {from}}.Encode()
	response, err := r.ask(auth.AppendRepositoryScope(r.writing(ctx), source, auth.ActionPull), http.MethodPost, target)
	if status, _, _, _ := answerOf(err); err != nil && status == 0 {
		return err
	} else if err != nil { // the token service refuses one of the two rights
		return r.upload(ctx, desc, open)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusCreated:
		return nil
	case http.StatusAccepted:
		return r.finish(ctx, response, desc, open)
	}
	return r.upload(ctx, desc, open)
}

// finish sends the content of an upload that has begun.
func (r *repository) finish(ctx context.Context, begun *http.Response, desc ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	target, err := uploadTarget(begun)
	if err != nil {
		return err
	}
	query := target.Query()
	query.Set("digest", desc.Digest.String())
	target.RawQuery = query.Encode()
	data, err := open()
	if err != nil {
		return err
	}
	defer data.Close()
	ctx = r.writing(ctx)
	here := sameOrigin(target, begun.Request.URL)
	if !here {
		ctx = sent(ctx, r.base.Host)
	}
	// net/http would read what comes behind the content to its end, to tell of it;
	// the registry looks at the digest.
	content := io.NopCloser(io.LimitReader(data, desc.Size))
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, target.String(), content)
	if err != nil {
		return err
	}
	request.ContentLength = desc.Size
	if desc.Size == 0 {
		request.Body = http.NoBody
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	send := r.client.auth.client.Do
	if here { // else a storage, which is owed no credential
		send = r.client.auth.Do
		// A body cannot be sent twice: what was good for the beginning is used.
		if accepted := begun.Request.Header.Get("Authorization"); accepted != "" {
			request.Header.Set("Authorization", accepted)
		}
	}
	response, err := send(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !succeeded(response) {
		return refusal(response)
	}
	return nil
}

// uploadTarget is where an upload goes on. A registry behind a proxy that ends
// TLS may name itself with http, or without the port; it is asked as before.
func uploadTarget(begun *http.Response) (*url.URL, error) {
	asked, said := begun.Request.URL, begun.Header.Get("Location")
	target, err := asked.Parse(said)
	if err != nil || said == "" {
		return nil, fmt.Errorf("%s does not say where the upload goes on", asked.Host)
	}
	if strings.EqualFold(target.Hostname(), asked.Hostname()) && (target.Port() == "" || target.Port() == asked.Port() || target.Scheme == "http" && asked.Scheme == "https") {
		target.Scheme, target.Host = asked.Scheme, asked.Host
	}
	if asked.Scheme == "https" && target.Scheme != "https" {
		return nil, fmt.Errorf("%s sends the upload to %s without TLS", asked.Host, target.Host)
	}
	return target, nil
}
