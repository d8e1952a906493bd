package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/slipway-build/slipway/agent/cluster/rbac"
)

// editTries says how often and how fast a change is made again that met
// another one. Several authors at once are rare, a dozen are not expected.
func editTries() wait.Backoff {
	return wait.Backoff{Steps: 12, Duration: 20 * time.Millisecond, Factor: 1.5, Jitter: 0.5, Cap: time.Second}
}

// EditConfigMap changes one key of a ConfigMap, which is made when there is
// none; all else in it stays. edit gets the text of all keys and returns the
// one to write. It is called again with what is there by then when somebody
// else was faster, so it must have no other effect. The namespace is the
// identity's when it is empty. Errors are those of edit, of ctx, or of type
// *Error.
func (c *Client) EditConfigMap(ctx context.Context, namespace, name string, edit func(data map[string]string) (key, text string, err error)) error {
	if namespace == "" {
		namespace = c.identity.Namespace
	}
	ctx = Quiet(ctx)
	maps := c.ConfigMaps(namespace)
	what := fmt.Sprintf("configmap %s in namespace %s", name, namespace)
	return Retry(editTries(), func(err error) bool { return worthAnotherEdit(err) && ctx.Err() == nil }, func() error {
		found, err := maps.Get(ctx, name, metav1.GetOptions{})
		fresh := apierrors.IsNotFound(err) && !isMissingNamespace(err)
		if err != nil && !fresh {
			return Explain(err, "get "+what, c.identity, rbac.SecretNames{})
		}
		if fresh {
			found = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		}
		if found.Immutable != nil && *found.Immutable {
			return &Error{Reason: ReasonDefinition, Message: what + " is immutable", Advice: []string{"write to another one, or delete it first"}}
		}
		key, text, err := edit(found.Data)
		if err != nil {
			return err
		}
		if found.Data == nil {
			found.Data = make(map[string]string)
		}
		found.Data[key] = text
		if fresh {
			_, err = maps.Create(ctx, found, metav1.CreateOptions{FieldManager: FieldManager})
			return Explain(err, "create "+what, c.identity, rbac.SecretNames{})
		}
		// It carries the version that was read, and is refused if that is not
		// the newest.
		_, err = maps.Update(ctx, found, metav1.UpdateOptions{FieldManager: FieldManager})
		return Explain(err, "update "+what, c.identity, rbac.SecretNames{})
	})
}

// worthAnotherEdit is true when somebody else was faster.
func worthAnotherEdit(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)
}
