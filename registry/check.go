package registry

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
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
	scheme := "https"
	if repo.PlainHTTP {
		scheme = "http"
	}
	base := url.URL{Scheme: scheme, Host: host, Path: "/v2/" + repo.Reference.Repository + "/"}
	actions := []string{auth.ActionPull}
	if push {
		actions = append(actions, auth.ActionPush)
	}
	ctx = auth.AppendRepositoryScope(ctx, repo.Reference, actions...)
	if push {
		err = c.beginUpload(ctx, base)
	} else {
		err = c.listTags(ctx, base)
	}
	return c.fail(op, repository, host, err)
}

// listTags reads one tag, for which the right to pull is needed.
func (c *Client) listTags(ctx context.Context, base url.URL) error {
	base.Path += "tags/list"
	base.RawQuery = "n=1"
	response, err := c.request(ctx, http.MethodGet, base.String())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNotFound {
		return nil
	}
	return refusal(response)
}

// beginUpload begins an upload, for which the right to push is needed, and
// cancels it. What cannot be cancelled ends by itself, at the registry.
func (c *Client) beginUpload(ctx context.Context, base url.URL) error {
	base.Path += "blobs/uploads/"
	response, err := c.request(ctx, http.MethodPost, base.String())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted && response.StatusCode != http.StatusCreated {
		return refusal(response)
	}
	upload, err := base.Parse(response.Header.Get("Location"))
	if err != nil || response.Header.Get("Location") == "" || !sameOrigin(upload, &base) {
		return nil
	}
	cancelled, err := c.request(ctx, http.MethodDelete, upload.String())
	if err != nil {
		return ctx.Err()
	}
	return cancelled.Body.Close()
}

// request sends a request without a body.
func (c *Client) request(ctx context.Context, method, target string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	return c.auth.Do(request)
}

// refusal is an answer as the error that the library makes of it elsewhere.
func refusal(response *http.Response) error {
	var body struct {
		Errors errcode.Errors `json:"errors"`
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if err == nil && json.Unmarshal(content, &body) != nil {
		body.Errors = nil // no registry's own words; the status speaks for itself
	}
	return &errcode.ErrorResponse{
		Method: response.Request.Method, URL: response.Request.URL,
		StatusCode: response.StatusCode, Errors: body.Errors,
	}
}
