package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// Made is a workload that Slipway made, as it is found without a definition.
type Made struct {
	// Kind is KindDeployment or KindStatefulSet.
	Kind      string
	Namespace string
	Name      string
	// Owner is what its label says, empty without one.
	Owner string
	// Created is when it was made.
	Created time.Time

	mounted []string // names of Secrets
}

// Made lists all that Slipway made in a namespace, by name: what bears one of
// its labels and not the other is somebody else's. Errors are of type
// *kube.Error but for those of ctx.
func (c *Client) Made(ctx context.Context, namespace string) ([]Made, error) {
	ctx = kube.Quiet(ctx)
	options := metav1.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{manifest.LabelManagedBy: manifest.ManagedBy}).String()}
	deployments, err := c.api.Deployments(namespace).List(ctx, options)
	if err != nil {
		return nil, c.explainCollection(err, "list deployments in namespace "+namespace)
	}
	statefulSets, err := c.api.StatefulSets(namespace).List(ctx, options)
	if err != nil {
		return nil, c.explainCollection(err, "list statefulsets in namespace "+namespace)
	}
	var all []Made
	for _, d := range deployments.Items {
		if (manifest.Workload{Deployment: &d}).Managed() {
			all = append(all, madeOf(manifest.KindDeployment, d.ObjectMeta, d.Spec.Template.Spec))
		}
	}
	for _, s := range statefulSets.Items {
		if (manifest.Workload{StatefulSet: &s}).Managed() {
			all = append(all, madeOf(manifest.KindStatefulSet, s.ObjectMeta, s.Spec.Template.Spec))
		}
	}
	slices.SortFunc(all, func(a, b Made) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return all, nil
}

func madeOf(kind string, meta metav1.ObjectMeta, pod corev1.PodSpec) Made {
	return Made{
		Kind:      kind,
		Namespace: meta.Namespace,
		Name:      meta.Name,
		Owner:     meta.Labels[manifest.LabelOwner],
		Created:   meta.CreationTimestamp.Time,
		mounted:   mountedFiles(meta.Name, pod),
	}
}

// mountedFiles are the Secrets with a node's files, as fileObjects names them.
func mountedFiles(workload string, pod corev1.PodSpec) []string {
	var names []string
	add := func(name string) {
		if strings.HasPrefix(name, workload+"-config") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil {
			add(v.Secret.SecretName)
		}
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			if source.Secret != nil {
				add(source.Secret.Name)
			}
		}
	}
	return names
}

// Node is what a definition would have to say for the workload to be found.
// It is enough to look at it and to connect to its pods.
func (m Made) Node() configmap.Node {
	k := &configmap.Kubernetes{Namespace: m.Namespace, Replicas: 1, Transport: configmap.TransportAuto}
	if m.Kind == manifest.KindStatefulSet {
		k.ClaimStorage = &resource.Quantity{}
	}
	return configmap.Node{Name: m.Name, Kubernetes: k}
}

// String is kind and name, as kubectl takes them.
func (m Made) String() string { return strings.ToLower(m.Kind) + " " + m.Name }

// PlanCollection finds what belongs to a workload that is left over, as
// PlanRemoval does for one with a definition. It changes nothing. Errors are
// of type *kube.Error but for those of ctx.
func (c *Client) PlanCollection(ctx context.Context, m Made, claims bool) (Removal, error) {
	w := newWorkload(c, m.Node(), nil)
	w.collected, w.mounted = true, m.mounted
	return w.planRemoval(kube.Quiet(ctx), claims)
}
