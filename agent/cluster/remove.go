package cluster

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/rbac"
	"github.com/slipway-build/slipway/configmap"
)

// Removal is what there is of a node in the cluster that Slipway made, in the
// order in which it is to go.
type Removal struct {
	objects []removable
	// Kept are sentences about what stays.
	Kept []string

	workload *workload
}

// removable is one object as it was found; another one that has taken its name
// by then is not removed.
type removable struct {
	kind, name string
	uid        types.UID
	version    string
	remove     func(context.Context, string, metav1.DeleteOptions) error
	// read finds it again after others have written it.
	read func(context.Context, string) (metav1.Object, error)
}

// String is kind and name, as kubectl takes them.
func (r removable) String() string { return r.kind + " " + r.name }

// Objects names what is to go, "deployment builder-amd64 in namespace ci".
func (r Removal) Objects() []string {
	var names []string
	for _, o := range r.objects {
		names = append(names, o.String()+" in namespace "+r.workload.namespace)
	}
	return names
}

// PlanRemoval finds what Slipway made for node; claims says whether the claims
// with its cache are to go as well. A workload that others made is refused. It
// changes nothing. Errors are of type *kube.Error but for those of ctx.
func (c *Client) PlanRemoval(ctx context.Context, node configmap.Node, claims bool) (Removal, error) {
	return newWorkload(c, node, nil).planRemoval(kube.Quiet(ctx), claims)
}

func (w *workload) planRemoval(ctx context.Context, claims bool) (Removal, error) {
	r := Removal{workload: w}
	made, err := w.planWorkload(ctx, &r)
	if err != nil {
		return r, err
	}
	if err := w.planConfigMaps(ctx, &r); err != nil {
		return r, err
	}
	if err := w.planSecrets(ctx, &r); err != nil {
		return r, err
	}
	switch {
	case !made || manifest.Kind(w.node) != manifest.KindStatefulSet:
		return r, nil
	case !claims:
		r.Kept = append(r.Kept, fmt.Sprintf("the persistent volume claims of %s in namespace %s are kept", w, w.namespace))
		return r, nil
	}
	return r, w.planClaims(ctx, &r)
}

// Remove deletes what was found; what is gone already counts as done. done gets
// each as it goes.
func (r Removal) Remove(ctx context.Context, done func(string)) error {
	ctx = kube.Quiet(ctx)
	for _, o := range r.objects {
		if err := r.removeOne(ctx, o); err != nil {
			return err
		}
		done(o.String() + " in namespace " + r.workload.namespace)
	}
	return nil
}

// removeOne deletes an object as it was judged: where others have written it
// since, it is judged again.
func (r Removal) removeOne(ctx context.Context, o removable) error {
	background := metav1.DeletePropagationBackground
	w := r.workload
	return w.retryOnConflict(ctx, "write "+o.String(), func() error {
		conflict := o.remove(ctx, o.name, metav1.DeleteOptions{
			PropagationPolicy: &background,
			Preconditions:     &metav1.Preconditions{UID: &o.uid, ResourceVersion: &o.version},
		})
		switch {
		case apierrors.IsNotFound(conflict):
			return nil
		case !apierrors.IsConflict(conflict):
			return w.explainRemoval(conflict, "delete "+o.String())
		}
		is, err := o.read(ctx, o.name)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return w.explainRemoval(err, "read "+o.String())
		case is.GetUID() != o.uid:
			return w.foreignError(o.String(), is, "it has taken the place of the one that was to go")
		case o.kind != claimKind && !w.owns(is):
			return w.foreignError(o.String(), is, "")
		}
		o.version = is.GetResourceVersion()
		return conflict
	})
}

// claimKind is the kind of what holds a cache. The controller that makes it
// marks it with the selector's labels alone.
const claimKind = "persistentvolumeclaim"

// planWorkload is first to go, so that no pod misses what it mounts. made is
// false when there is none.
func (w *workload) planWorkload(ctx context.Context, r *Removal) (made bool, err error) {
	is, err := w.get(ctx, manifest.Kind(w.node))
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, w.explainRemoval(err, "get "+w.String())
	case !w.owns(is.Meta()):
		err := w.foreignError(w.String(), is.Meta(), "")
		if refused := (*kube.Error)(nil); errors.As(err, &refused) {
			refused.Advice = []string{
				fmt.Sprintf("remove it yourself: kubectl delete --namespace %s %s", w.namespace, w),
				"or remove the definition alone, with --keep-daemon",
			}
		}
		return false, err
	}
	read := func(ctx context.Context, _ string) (metav1.Object, error) {
		is, err := w.get(ctx, manifest.Kind(w.node))
		return is.Meta(), err
	}
	remove := w.client.api.Deployments(w.namespace).Delete
	if is.StatefulSet != nil {
		remove = w.client.api.StatefulSets(w.namespace).Delete
	}
	r.add(strings.ToLower(manifest.Kind(w.node)), is.Meta(), remove, read)
	return true, nil
}

func (r *Removal) add(kind string, object metav1.Object, remove func(context.Context, string, metav1.DeleteOptions) error, read func(context.Context, string) (metav1.Object, error)) {
	r.objects = append(r.objects, removable{kind: kind, name: object.GetName(), uid: object.GetUID(), version: object.GetResourceVersion(), remove: remove, read: read})
}

// readByList reads one object with the right to list alone.
func readByList[L any](list func(context.Context, metav1.ListOptions) (L, error), first func(L) metav1.Object) func(context.Context, string) (metav1.Object, error) {
	return func(ctx context.Context, name string) (metav1.Object, error) {
		found, err := list(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
		if err != nil {
			return nil, err
		}
		if is := first(found); is != nil {
			return is, nil
		}
		return nil, apierrors.NewNotFound(schema.GroupResource{}, name)
	}
}

// ownSelector finds what Slipway made for the workload.
func (w *workload) ownSelector() string {
	return labels.SelectorFromSet(labels.Set{manifest.LabelApp: w.name, manifest.LabelManagedBy: manifest.ManagedBy}).String()
}

// planConfigMaps finds them by label: an earlier definition may have had more
// files than this one.
func (w *workload) planConfigMaps(ctx context.Context, r *Removal) error {
	client := w.client.api.ConfigMaps(w.namespace)
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: w.ownSelector()})
	if err != nil {
		return w.explainRemoval(err, "list configmaps of "+w.name)
	}
	read := readByList(client.List, func(l *corev1.ConfigMapList) metav1.Object {
		if len(l.Items) == 0 {
			return nil
		}
		return &l.Items[0]
	})
	for _, o := range list.Items {
		r.add("configmap", &o, client.Delete, read)
	}
	return nil
}

// planSecrets finds them by name: the right to list Secrets is the right to
// read all of the namespace.
func (w *workload) planSecrets(ctx context.Context, r *Removal) error {
	client := w.client.api.Secrets(w.namespace)
	for _, name := range w.secretNames() {
		o, err := client.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return w.explainRemoval(err, "read secret "+name)
		case !w.owns(o):
			r.Kept = append(r.Kept, fmt.Sprintf("secret %s in namespace %s is kept: it was made by others", name, w.namespace))
		default:
			r.add("secret", o, client.Delete, func(ctx context.Context, name string) (metav1.Object, error) {
				return client.Get(ctx, name, metav1.GetOptions{})
			})
		}
	}
	return nil
}

// secretNames are those that the workload's Secrets have where Slipway makes
// them.
func (w *workload) secretNames() []string {
	names := []string{w.name + "-tls", w.name + "-tls-client"}
	names = append(names, w.mounted...)
	for _, g := range manifest.SplitFiles(w.node.Files) {
		if len(g.Private) > 0 {
			names = append(names, w.name+"-"+g.Name)
		}
	}
	return names
}

// planClaims finds the claims that the StatefulSet's controller has made. They
// bear its selector's labels, and names that end in the number of the pod.
func (w *workload) planClaims(ctx context.Context, r *Removal) error {
	client := w.client.api.Claims(w.namespace)
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: w.selector()})
	if err != nil {
		return w.explainRemoval(err, "list persistent volume claims of "+w.name)
	}
	own := regexp.MustCompile("^" + regexp.QuoteMeta(manifest.StateVolume+"-"+w.name) + "-[0-9]+$")
	read := readByList(client.List, func(l *corev1.PersistentVolumeClaimList) metav1.Object {
		if len(l.Items) == 0 {
			return nil
		}
		return &l.Items[0]
	})
	for _, o := range list.Items {
		if own.MatchString(o.Name) {
			r.add(claimKind, &o, client.Delete, read)
		}
	}
	return nil
}

// explainRemoval names the role of who removes where a right is missing: it is
// not one that builds should have.
func (w *workload) explainRemoval(err error, doing string) error {
	granted := rbac.RemoveRole(w.name, w.secretNames())
	if w.collected {
		granted = rbac.CollectRole()
	}
	return kube.OfferRole(w.explain(err, doing), granted)
}

// OfferRemoval returns an error of PlanRemoval for want of a right with the roles to
// remove all of the nodes, which are of one cluster: it is refused at the first. Those
// in other namespaces are left out.
func (c *Client) OfferRemoval(err error, nodes []configmap.Node) error {
	refused, ok := refusedRight(err)
	if !ok {
		return err
	}
	var roles []rbac.Role
	for _, node := range nodes {
		if c.Namespace(node) == refused.Namespace {
			w := newWorkload(c, node, nil)
			roles = append(roles, rbac.RemoveRole(w.name, w.secretNames()))
		}
	}
	return kube.OfferRole(err, roles...)
}
