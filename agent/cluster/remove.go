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
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/gentype"

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
	remove     func(context.Context, string, metav1.DeleteOptions) error
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
// changes nothing. Errors are of type *Error but for those of ctx.
func (c *Client) PlanRemoval(ctx context.Context, node configmap.Node, claims bool) (Removal, error) {
	return newWorkload(c, node, nil).planRemoval(quiet(ctx), claims)
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
	case !made || Kind(w.node) != KindStatefulSet:
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
	ctx = quiet(ctx)
	background := metav1.DeletePropagationBackground
	for _, o := range r.objects {
		err := o.remove(ctx, o.name, metav1.DeleteOptions{
			PropagationPolicy: &background,
			Preconditions:     &metav1.Preconditions{UID: &o.uid},
		})
		if err != nil && !apierrors.IsNotFound(err) {
			return r.workload.explainRemoval(err, "delete "+o.String())
		}
		done(o.String() + " in namespace " + r.workload.namespace)
	}
	return nil
}

// planWorkload is first to go, so that no pod misses what it mounts. made is
// false when there is none.
func (w *workload) planWorkload(ctx context.Context, r *Removal) (made bool, err error) {
	var meta metav1.ObjectMeta
	var remove func(context.Context, string, metav1.DeleteOptions) error
	if Kind(w.node) == KindStatefulSet {
		client := w.client.statefulSets(w.namespace)
		o, getErr := client.Get(ctx, w.name, metav1.GetOptions{})
		if err = getErr; err == nil {
			meta, remove = o.ObjectMeta, client.Delete
		}
	} else {
		client := w.client.deployments(w.namespace)
		o, getErr := client.Get(ctx, w.name, metav1.GetOptions{})
		if err = getErr; err == nil {
			meta, remove = o.ObjectMeta, client.Delete
		}
	}
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, w.explainRemoval(err, "get "+w.String())
	case meta.Labels[labelManagedBy] != managedBy:
		return false, &Error{
			Reason:  ReasonDefinition,
			message: fmt.Sprintf("%s in namespace %s is not slipway's to remove: it was made by others", w, w.namespace),
			hints: []string{
				fmt.Sprintf("remove it yourself: kubectl delete --namespace %s %s", w.namespace, w),
				"or remove the definition alone, with --keep-daemon",
			},
		}
	}
	r.add(strings.ToLower(Kind(w.node)), meta, remove)
	return true, nil
}

func (r *Removal) add(kind string, meta metav1.ObjectMeta, remove func(context.Context, string, metav1.DeleteOptions) error) {
	r.objects = append(r.objects, removable{kind: kind, name: meta.Name, uid: meta.UID, remove: remove})
}

// ownSelector finds what Slipway made for the workload.
func (w *workload) ownSelector() string {
	return labels.SelectorFromSet(labels.Set{labelApp: w.name, labelManagedBy: managedBy}).String()
}

// planConfigMaps finds them by label: an earlier definition may have had more
// files than this one.
func (w *workload) planConfigMaps(ctx context.Context, r *Removal) error {
	client := gentype.NewClientWithList("configmaps", w.client.core, w.client.parameters, w.namespace,
		func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
		func() *corev1.ConfigMapList { return &corev1.ConfigMapList{} })
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: w.ownSelector()})
	if err != nil {
		return w.explainRemoval(err, "list configmaps of "+w.name)
	}
	for _, o := range list.Items {
		r.add("configmap", o.ObjectMeta, client.Delete)
	}
	return nil
}

// planSecrets finds them by name: the right to list Secrets is the right to
// read all of the namespace.
func (w *workload) planSecrets(ctx context.Context, r *Removal) error {
	client := w.client.secrets(w.namespace)
	for _, name := range w.secretNames() {
		o, err := client.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return w.explainRemoval(err, "read secret "+name)
		case o.Labels[labelManagedBy] != managedBy || o.Labels[labelApp] != w.name:
			r.Kept = append(r.Kept, fmt.Sprintf("secret %s in namespace %s is kept: it was made by others", name, w.namespace))
		default:
			r.add("secret", o.ObjectMeta, client.Delete)
		}
	}
	return nil
}

// secretNames are those that the workload's Secrets have where Slipway makes
// them.
func (w *workload) secretNames() []string {
	names := []string{w.name + "-tls", w.name + "-tls-client"}
	names = append(names, w.mounted...)
	for _, g := range splitFiles(w.node.Files) {
		if len(g.private) > 0 {
			names = append(names, w.name+"-"+g.name)
		}
	}
	return names
}

// planClaims finds the claims that the StatefulSet's controller has made. They
// bear its selector's labels, and names that end in the number of the pod.
func (w *workload) planClaims(ctx context.Context, r *Removal) error {
	client := gentype.NewClientWithList("persistentvolumeclaims", w.client.core, w.client.parameters, w.namespace,
		func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} },
		func() *corev1.PersistentVolumeClaimList { return &corev1.PersistentVolumeClaimList{} })
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: w.selector()})
	if err != nil {
		return w.explainRemoval(err, "list persistent volume claims of "+w.name)
	}
	own := regexp.MustCompile("^" + regexp.QuoteMeta(stateVolume+"-"+w.name) + "-[0-9]+$")
	for _, o := range list.Items {
		if own.MatchString(o.Name) {
			r.add("persistentvolumeclaim", o.ObjectMeta, client.Delete)
		}
	}
	return nil
}

// explainRemoval names the role of who removes where a right is missing: it is
// not one that builds should have.
func (w *workload) explainRemoval(err error, doing string) error {
	err = w.explain(err, doing)
	var known *Error
	if !errors.As(err, &known) || known.Reason != ReasonForbidden {
		return err
	}
	if missing, ok := parseForbidden(known.message); ok {
		granted := removeRole(w.name, w.secretNames())
		if w.collected {
			granted = collectRole()
		}
		known.hints = []string{missing.grant([]role{granted})}
	}
	return err
}
