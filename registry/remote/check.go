package remote

import (
	"context"
	"encoding/json"
	"net/http"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// maxRefusal is how much of a registry's refusal is read, in bytes.
const maxRefusal = 64 << 10

// Check asks a registry whether the keychain's credential may read a
// repository, and with push whether it may write to it. Nothing in the
// repository changes: an upload is begun and cancelled. A repository that does
// not exist yet passes, for a push may create it.
func (c *Client) Check(ctx context.Context, repository string, push bool) error {
	op := "check pull"
	if push {
		op = "check push"
	}
	repo, host, err := c.repository(ctx, repository)
	if err != nil {
		return err
	}
	if push {
		err = repo.beginUpload(ctx)
	} else {
		err = repo.readAny(ctx)
	}
	return c.fail(op, repository, host, err)
}

// readAny asks for a manifest, for which the right to pull is needed and no
// other: to list tags is another right in some registries. That there is none
// is as good an answer.
func (r *repository) readAny(ctx context.Context) error {
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		response, err := r.ask(r.reading(ctx), method, r.at("manifests", "latest"))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNotFound {
			return nil
		}
		if method == http.MethodGet { // whose refusal says why
			return refusal(response)
		}
	}
	return nil
}

// beginUpload begins an upload, for which the right to push is needed, and
// cancels it. What cannot be cancelled ends by itself, at the registry.
func (r *repository) beginUpload(ctx context.Context) error {
	ctx = r.writing(ctx)
	target := r.at("blobs", "uploads/")
	response, err := r.ask(ctx, http.MethodPost, target)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !succeeded(response) {
		return refusal(response)
	}
	upload, err := uploadTarget(response)
	if err != nil || !sameOrigin(upload, target) {
		return nil
	}
	cancelled, err := r.ask(ctx, http.MethodDelete, upload)
	if err != nil {
		return ctx.Err()
	}
	return cancelled.Body.Close()
}

// refusal is an answer as the error that the library makes of it elsewhere.
func refusal(response *http.Response) error {
	var body struct {
		Errors errcode.Errors `json:"errors"`
	}
	content, err := imageindex.ReadAtMost(response.Body, maxRefusal)
	if err == nil && json.Unmarshal(content, &body) != nil {
		body.Errors = nil // no registry's own words; the status speaks for itself
	}
	return &errcode.ErrorResponse{
		Method: response.Request.Method, URL: response.Request.URL,
		StatusCode: response.StatusCode, Errors: body.Errors,
	}
}
