package cluster

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Rights is what an identity may do of what a node needs.
type Rights = rbac.Rights

// Roles is the YAML of the roles that hold all that is missing of several nodes,
// each once, and of their bindings; empty where nothing is missing.
func Roles(all ...Rights) string { return rbac.Manifest(all...) }

// rightsParallel bounds how many rights are asked for at once.
const rightsParallel = 8

// Rights asks the API server for every right that a build on node needs. user
// is the name of Whoami. The rights to create are asked for when there is no
// workload, those to wake it when it is scaled to zero.
func (c *Client) Rights(ctx context.Context, node configmap.Node, is Status, user string) (Rights, error) {
	own := manifest.SecretNames(node)
	needed := rbac.Needed(c.dialer.Pinned(node), rbac.Target{
		Namespace: c.Namespace(node), Kind: manifest.Kind(node), Name: is.Name,
		Exists: is.Exists, Replicas: is.Replicas, Secrets: own,
	}, user)
	missing := make([]bool, len(needed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(rightsParallel)
	for i, right := range needed {
		group.Go(fault.Guard(func() error {
			allowed, err := c.may(ctx, right)
			missing[i] = !allowed
			return err
		}))
	}
	if err := group.Wait(); err != nil {
		return rbac.Rights{}, kube.Explain(err, "ask for rights in namespace "+c.Namespace(node), c.api.Identity(), rbac.SecretNames{})
	}
	var lacking []rbac.Right
	for i, right := range needed {
		if missing[i] {
			lacking = append(lacking, right)
		}
	}
	unneeded := len(lacking)
	if c.dialer.Pinned(node) == configmap.TransportAuto && listens(node, c.Namespace(node), is) {
		lacking = rbac.WithoutExec(lacking)
	}
	unneeded -= len(lacking)
	rights := rbac.Weigh(c.dialer.Pinned(node), lacking)
	rights.Asked = len(needed) - unneeded
	rights.Missing, rights.Own = lacking, own
	return rights, nil
}

// listens is true where a node's pods are reached with certificates: those
// there are, else those that the definition makes.
func listens(node configmap.Node, namespace string, is Status) bool {
	if len(is.Usable) > 0 {
		return !slices.ContainsFunc(is.Usable, func(p kube.Pod) bool { return !p.Listens })
	}
	objects, err := manifest.Of(node, namespace)
	return err == nil && objects.Listens()
}

func (c *Client) may(ctx context.Context, r rbac.Right) (bool, error) {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	review := authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: r.Namespace, Verb: r.Verb, Group: r.Group, Resource: resource, Subresource: sub, Name: r.Name,
		}},
	}
	err := c.api.Review(ctx, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)
	return review.Status.Allowed, err
}
