package cluster

import (
	"context"
	"errors"
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

// Use is what a command does with a node, by which it needs rights.
type Use int

const (
	// UseBuild makes sure that the workload runs and connects to its pods. Where the
	// node is to be brought up to date with its definition, it does that, too.
	UseBuild Use = iota
	// UseLook connects to the pods that there are.
	UseLook
)

// Rights asks the API server for every right that a build on node needs. user
// is the name of Whoami. The rights to create are asked for when there is no
// workload, those to wake it when it is scaled to zero.
func (c *Client) Rights(ctx context.Context, node configmap.Node, is Status, user string) (Rights, error) {
	return c.rights(ctx, node, rbac.Target{Exists: is.Exists, Replicas: is.Replicas}, is, user)
}

// MissingRights asks the API server for every right that a command needs on node,
// after it has refused one. Where it cannot be seen whether there is a workload,
// the rights to create it are among them, and marked.
func (c *Client) MissingRights(ctx context.Context, node configmap.Node, use Use, refused error) (Rights, error) {
	user, err := c.Whoami(ctx)
	if err != nil { // servers before Kubernetes 1.28 do not tell
		right, _ := refusedRight(refused)
		user = right.User
	}
	is, err := c.Status(ctx, node)
	seen := err == nil || is.Name != ""
	if !seen && !isForbidden(err) {
		return Rights{}, err
	}
	target := rbac.Target{
		Exists: is.Exists, Replicas: is.Replicas,
		Looks:   use == UseLook,
		Applies: use == UseBuild && node.Kubernetes.Drift == configmap.DriftApply,
	}
	if objects, err := manifest.Of(node, c.Namespace(node)); err == nil {
		target.PrivateFiles = len(objects.Secrets) > 0
	}
	rights, err := c.rights(ctx, node, target, is, user)
	rights.Unseen = !seen
	return rights, err
}

// GrantHint is what to paste for all rights that are missing, where an error is
// that the API server has refused one of them; empty elsewhere.
func GrantHint(err error, missing []Rights) string {
	right, ok := refusedRight(err)
	if !ok {
		return ""
	}
	return right.GrantAll(missing)
}

// DoctorHint is the hint of errors that GrantHint makes needless.
const DoctorHint = rbac.DoctorHint

// refusedRight is the right that the API server has refused.
func refusedRight(err error) (rbac.Right, bool) {
	var known *kube.Error
	if !errors.As(err, &known) || known.Reason != kube.ReasonForbidden {
		return rbac.Right{}, false
	}
	return rbac.ParseForbidden(known.Message)
}

func isForbidden(err error) bool {
	_, ok := refusedRight(err)
	return ok
}

// rights asks for the rights to a node whose workload the target describes.
func (c *Client) rights(ctx context.Context, node configmap.Node, target rbac.Target, is Status, user string) (Rights, error) {
	own := manifest.SecretNames(node)
	target.Namespace, target.Kind, target.Name, target.Secrets = c.Namespace(node), manifest.Kind(node), manifest.WorkloadName(node), own
	needed := rbac.Needed(c.dialer.Pinned(node), target, user)
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
	unneeded, granted := len(lacking), lacking
	if c.dialer.Pinned(node) == configmap.TransportAuto && listens(node, c.Namespace(node), is) {
		granted = rbac.WithoutAnyExec(slices.Clone(lacking))
		lacking = rbac.WithoutExec(lacking)
	}
	unneeded -= len(lacking)
	rights := rbac.Weigh(c.dialer.Pinned(node), lacking)
	rights.Asked = len(needed) - unneeded
	rights.Missing, rights.Own = granted, own
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
