package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

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
		if err = repo.beginUpload(ctx); isRefusal(err) {
			c.prove(ctx, repo, host)
		}
	} else {
		err = c.readAny(ctx, repo, host)
	}
	err = c.fail(op, repository, host, err)
	if known := (*Error)(nil); push && errors.As(err, &known) {
		_, known.MayPull = c.readable.Load(repo.base)
	}
	return err
}

// prove finds out whether a credential that may not push is valid: some
// registries answer a missing right as they do a wrong password. One that was
// refused already is not sent again, for that locks accounts.
func (c *Client) prove(ctx context.Context, repo *repository, host string) {
	if c.auth.unproven(host) {
		if response, err := repo.ask(ctx, http.MethodGet, &url.URL{Scheme: repo.base.Scheme, Host: repo.base.Host, Path: "/v2/"}); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusUnauthorized {
				c.auth.reject(host)
			}
		}
	}
	if _, asked := c.readable.Load(repo.base); !asked && ctx.Err() == nil {
		if source, accepted := c.auth.source(host); accepted && source != "anonymous" || c.auth.unproven(host) {
			_ = c.readAny(ctx, repo, host)
		}
	}
}

// isRefusal reports whether a registry has refused a request for want of a
// right or a credential.
func isRefusal(err error) bool {
	status, _, _, _ := answerOf(err)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// readAny asks for the right to pull and notes the answer.
func (c *Client) readAny(ctx context.Context, repo *repository, host string) error {
	err := repo.readAny(ctx)
	switch {
	case err == nil:
		c.readable.Store(repo.base, true)
	case isRefusal(err):
		c.auth.reject(host)
	}
	return err
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
