package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// clusterScoped are the kinds of objects without a namespace that scenarios create.
var clusterScoped = sets.New("Namespace", "PersistentVolume", "ClusterRole", "ClusterRoleBinding",
	"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")

// createsFromStdin reports whether kubectl with the arguments would create what
// it reads.
func createsFromStdin(args []string) bool { return slices.Equal(args, []string{"create", "-f", "-"}) }

// create does what kubectl create -f - does, in this process: scenarios create
// several hundred manifests, and half of what a kubectl takes for one is the
// check against the API's schema, which the API server does as well.
func (n Namespace) create(ctx context.Context, manifest string) (string, error) {
	client, err := n.client()
	if err != nil {
		return "", err
	}
	var created strings.Builder
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return created.String(), nil
		}
		if err == nil && len(object.Object) == 0 { // nothing but comments
			continue
		}
		each := func(one *unstructured.Unstructured) error { return createOne(ctx, client, n.Name, one, &created) }
		switch {
		case err != nil:
		case object.IsList():
			var list *unstructured.UnstructuredList
			if list, err = object.ToList(); err == nil {
				for i := 0; i < len(list.Items) && err == nil; i++ {
					err = each(&list.Items[i])
				}
			}
		default:
			err = each(object)
		}
		if err != nil {
			return created.String(), fmt.Errorf("create objects: %w", err)
		}
	}
}

func createOne(ctx context.Context, client dynamic.Interface, namespace string, object *unstructured.Unstructured, created io.Writer) error {
	kind := object.GroupVersionKind()
	resource, _ := meta.UnsafeGuessKindToResource(kind) // right for every kind of Kubernetes itself
	switch own := object.GetNamespace(); {
	case clusterScoped.Has(kind.Kind):
		namespace = "" // none
	case own != "":
		namespace = own
	}
	made, err := client.Resource(resource).Namespace(namespace).Create(ctx, object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind.Kind, object.GetName(), err)
	}
	_, err = fmt.Fprintf(created, "%s/%s created\n", resource.GroupResource(), made.GetName())
	return err
}
