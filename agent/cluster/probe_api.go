package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
)

// Server is what an API server has said of itself.
type Server struct {
	// Version is that of Kubernetes, as in "v1.36.3".
	Version string
	// Took is how long the answer took.
	Took time.Duration
	// Behind is how far this machine's clock is behind the server's, negative
	// if it is ahead. The server tells its time in whole seconds.
	Behind time.Duration
}

// Hello asks the API server for its version. Errors are of type *kube.Error but for
// those of ctx.
func (c *Client) Hello(ctx context.Context) (Server, error) {
	const doing = "ask the API server for its version"
	began := time.Now()
	answer, err := c.api.RawGet(ctx, "/version")
	if err != nil {
		return Server{}, kube.Unreachable(err, doing, c.api.Identity())
	}
	defer answer.Body.Close()
	ended := time.Now()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return Server{}, kube.Unreachable(err, doing, c.api.Identity())
	}
	if answer.StatusCode == http.StatusUnauthorized {
		return Server{}, kube.Explain(apierrors.NewUnauthorized(answer.Status), doing, c.api.Identity(), rbac.SecretNames{})
	}
	var info version.Info
	if err := json.Unmarshal(body, &info); err != nil || answer.StatusCode != http.StatusOK {
		return Server{}, kube.Unreachable(fmt.Errorf("status %s and no version", answer.Status), doing, c.api.Identity())
	}
	server := Server{Version: info.GitVersion, Took: ended.Sub(began)}
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		server.Behind = behind(began, ended, date)
	}
	return server, nil
}

// behind compares a time that the server has told, cut to the second, with
// those of this machine around it. It is zero as long as both may be right.
func behind(began, ended, date time.Time) time.Duration {
	switch {
	case date.After(ended):
		return date.Sub(ended)
	case date.Add(time.Second).Before(began):
		return -began.Sub(date.Add(time.Second))
	}
	return 0
}

// Whoami is the name by which the API server knows the identity, as in
// "system:serviceaccount:ci:agent".
func (c *Client) Whoami(ctx context.Context) (string, error) {
	const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	review := authenticationv1.SelfSubjectReview{TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "SelfSubjectReview"}}
	if err := c.api.Review(ctx, path, &review); err != nil {
		return "", kube.Explain(err, "ask the API server who the identity is", c.api.Identity(), rbac.SecretNames{})
	}
	return review.Status.UserInfo.Username, nil
}
