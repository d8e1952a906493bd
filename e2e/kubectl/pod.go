package kubectl

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	watchtools "k8s.io/client-go/tools/watch"
)

// AwaitReady waits until a pod is ready, as kubectl wait does, and returns it. It
// is an error if the pod is deleted meanwhile.
func (n Namespace) AwaitReady(ctx context.Context, pod string) (*unstructured.Unstructured, error) {
	client, err := n.client()
	if err != nil {
		return nil, err
	}
	var seen *unstructured.Unstructured
	pods := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(n.Name)
	last := "it was not seen"
	for {
		events, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", pod).String()})
		if err == nil {
			_, err = watchtools.UntilWithoutRetry(ctx, events, func(event watch.Event) (bool, error) {
				if event.Type == watch.Deleted {
					return false, errors.New("it was deleted")
				}
				object, isPod := event.Object.(*unstructured.Unstructured)
				if !isPod {
					return false, fmt.Errorf("the watch answers %s", event.Type)
				}
				ready := false
				ready, last = condition(object, "Ready")
				seen = object
				return ready, nil
			})
		}
		if errors.Is(err, watchtools.ErrWatchClosed) { // the API server ends watches that are old
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("wait for pod %s to be ready: %w (%s)", pod, err, last)
		}
		return seen, nil
	}
}

// condition tells whether a condition of an object is true, and what is known of it.
func condition(object *unstructured.Unstructured, kind string) (bool, string) {
	// A field of another type is as good as none: the condition is not true.
	all, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, one := range all {
		if c, ok := one.(map[string]any); ok && c["type"] == kind {
			return c["status"] == "True", fmt.Sprintf("%s is %v: %v %v", kind, c["status"], c["reason"], c["message"])
		}
	}
	return false, "it has no condition " + kind
}

// running are the kinds of objects that run something, owners before what they own.
var running = []schema.GroupVersionResource{
	{Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "apps", Version: "v1", Resource: "replicasets"},
	{Version: "v1", Resource: "pods"},
}

// Stop has all that runs in the namespace deleted, and does not wait for its end.
// It costs the cluster a few requests; the deletion of a namespace takes two for
// each kind of object that there is. Pods end at once: nobody builds there any
// more, and a builder would start a program every second to find that out.
func (n Namespace) Stop(ctx context.Context) error {
	client, err := n.client()
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	for _, kind := range running {
		options := metav1.DeleteOptions{PropagationPolicy: &background}
		if kind.Resource == "pods" {
			options.GracePeriodSeconds = new(int64)
		}
		err := client.Resource(kind).Namespace(n.Name).DeleteCollection(ctx, options, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("delete the %s in namespace %s: %w", kind.Resource, n.Name, err)
		}
	}
	return nil
}

// Delete has the namespace deleted, and does not wait for the end of what is in it.
func (n Namespace) Delete(ctx context.Context) error {
	client, err := n.client()
	if err != nil {
		return err
	}
	err = client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Delete(ctx, n.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete namespace %s: %w", n.Name, err)
	}
	return nil
}

func (n Namespace) client() (dynamic.Interface, error) {
	config, err := n.config()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", n.Bed.Kubeconfig, err)
	}
	return client, nil
}
