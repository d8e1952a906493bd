package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// Rights is what an identity may do of what a node needs.
type Rights struct {
	// Asked counts the rights that were asked for.
	Asked int
	// Lacking are the rights without which there is no build, Lesser those
	// without which it is slower or tells less; as in "list pods".
	Lacking, Lesser []string
	// Hints hold the roles with what is missing, ready to paste.
	Hints []string
}

// rightsParallel bounds how many rights are asked for at once.
const rightsParallel = 8

// Rights asks the API server for every right that a build on node needs. user
// is the name of Whoami. The rights to create are asked for when there is no
// workload, those to wake it when it is scaled to zero.
func (c *Client) Rights(ctx context.Context, node configmap.Node, is Status, user string) (Rights, error) {
	own := secretsOf(node)
	needed := needs(c.pinned(node), Kind(node), own, is, user, c.Namespace(node))
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
		return Rights{}, explain(err, "ask for rights in namespace "+c.Namespace(node), c.identity, secretNames{})
	}
	var lacking []missingRight
	for i, right := range needed {
		if missing[i] {
			lacking = append(lacking, right)
		}
	}
	unneeded := len(lacking)
	if c.pinned(node) == configmap.TransportAuto && listens(node, c.Namespace(node), is) {
		lacking = withoutExec(lacking)
	}
	unneeded -= len(lacking)
	rights := weigh(c.pinned(node), lacking)
	rights.Asked = len(needed) - unneeded
	rights.Hints = grants(lacking, own)
	return rights, nil
}

// listens is true where a node's pods are reached with certificates: those
// there are, else those that the definition makes.
func listens(node configmap.Node, namespace string, is Status) bool {
	if len(is.Usable) > 0 {
		return !slices.ContainsFunc(is.Usable, func(p Pod) bool { return !p.Listens })
	}
	objects, err := Manifest(node, namespace)
	return err == nil && objects.listens()
}

// withoutExec leaves out the rights of exec unless the client's certificate
// cannot be read: builders that listen are reached without them, and roles are
// to be small.
func withoutExec(missing []missingRight) []missingRight {
	if slices.ContainsFunc(missing, func(m missingRight) bool { return m.resource == "secrets" && m.verb == "get" }) {
		return missing
	}
	return slices.DeleteFunc(missing, func(m missingRight) bool { return m.in(execRules()) })
}

func (c *Client) may(ctx context.Context, r missingRight) (bool, error) {
	resource, sub, _ := strings.Cut(r.resource, "/")
	review := authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: r.namespace, Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub, Name: r.name,
		}},
	}
	err := c.review(ctx, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)
	return review.Status.Allowed, err
}

// needs are the rights that a build takes, one each.
func needs(pinned configmap.Transport, kind string, own secretNames, is Status, user, namespace string) []missingRight {
	plural := strings.ToLower(kind) + "s"
	rules := append(buildRules(), execRules()...)
	if own.client != "" && pinned != configmap.TransportExec {
		rules = append(rules, own.readRole().rules...)
	}
	switch {
	case !is.Exists:
		rules = append(rules, manageRules()...)
		if own.server != "" {
			rules = append(rules, own.manageRole().rules...)
		}
	case is.Replicas == 0:
		rules = append(rules, wakeRole(is.Name).rules...)
	}
	var all []missingRight
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, resource := range rule.Resources {
			if !concerns(resource, plural, pinned) {
				continue
			}
			for _, verb := range rule.Verbs {
				for _, name := range names {
					right := missingRight{user: user, verb: verb, resource: resource, group: rule.APIGroups[0], namespace: namespace, name: name}
					if !slices.Contains(all, right) {
						all = append(all, right)
					}
				}
			}
		}
	}
	return all
}

// concerns leaves out the rights to workloads of the other kind and to
// transports that are not to be used.
func concerns(resource, plural string, pinned configmap.Transport) bool {
	base, _, _ := strings.Cut(resource, "/")
	switch {
	case base == "deployments" || base == "statefulsets":
		return base == plural
	case resource == "replicasets":
		return plural == "deployments" && (pinned == configmap.TransportAuto || pinned == configmap.TransportExec)
	case resource == "pods/exec":
		return pinned == configmap.TransportAuto || pinned == configmap.TransportExec
	case resource == "pods/portforward":
		return pinned == configmap.TransportAuto || pinned == configmap.TransportPortForward
	}
	return true
}

// weigh tells the rights without which there is no build from the lesser ones:
// one transport of several is enough, and a wait goes on without its reasons.
func weigh(pinned configmap.Transport, missing []missingRight) Rights {
	lacks := func(resource, verb string) bool {
		return slices.ContainsFunc(missing, func(m missingRight) bool { return m.resource == resource && m.verb == verb })
	}
	execs := !lacks("pods/exec", "create") && !lacks("pods/exec", "get")
	// With auto, exec stands in for all that certificates are needed for.
	standIn := pinned == configmap.TransportAuto && execs
	var r Rights
	for _, m := range missing {
		vital := true
		switch {
		case m.resource == "pods/log", m.resource == "events", m.verb == "watch":
			vital = false
		case m.resource == "replicasets":
			// Then pods are known by name and not by UID.
			vital = false
		case m.group == "apps" && m.verb == "update", m.resource == "configmaps" && m.verb == "get":
			// Only what differs from its definition is changed.
			vital = false
		case m.resource == "secrets":
			vital = !standIn
		case m.resource == "pods/exec", m.resource == "pods/portforward":
			vital = pinned != configmap.TransportAuto || lacks("secrets", "get") && !execs
		}
		if vital {
			r.Lacking = append(r.Lacking, m.String())
		} else {
			r.Lesser = append(r.Lesser, m.String())
		}
	}
	return r
}

// String is the right as kubectl's users call it.
func (m missingRight) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", m.verb, m.resource, m.name))
}

// grants are the roles that hold all of what is missing, each once, for one
// paste.
func grants(missing []missingRight, own secretNames) []string {
	var all []role
	for _, m := range missing {
		for _, r := range m.roles(own) {
			at := slices.IndexFunc(all, func(known role) bool { return known.name == r.name })
			switch {
			case at < 0:
				all = append(all, r)
			case r.name == "slipway-extra", len(r.rules) > len(all[at].rules):
				all[at].rules = append(slices.Clone(all[at].rules), r.rules...)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	first := missing[0]
	return []string{fmt.Sprintf("whoever administers the cluster can grant %s what is missing in namespace %s with kubectl apply -f - and this:", first.user, first.namespace) + first.manifest(all)}
}
