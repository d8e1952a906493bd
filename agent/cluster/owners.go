package cluster

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/internal/fault"
)

// checkNames fails where somebody else has an object at a name that a workload
// which is to be made needs. It looks at all of them before the first write, so
// that no part of the workload is left behind, and at once, so that it takes one
// round trip.
func (w *workload) checkNames(ctx context.Context) error {
	objects, err := w.objects()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(fault.Guard(func() error { return w.checkOtherKind(ctx) }))
	for _, cm := range objects.ConfigMaps {
		group.Go(fault.Guard(func() error {
			is, err := w.client.api.ConfigMaps(w.namespace).Get(ctx, cm.Name, metav1.GetOptions{})
			return w.checkName("configmap "+cm.Name, is, err)
		}))
	}
	for _, s := range objects.Secrets {
		group.Go(fault.Guard(func() error {
			is, err := w.client.api.Secrets(w.namespace).Get(ctx, s.Name, metav1.GetOptions{})
			return w.checkName("secret "+s.Name, is, err)
		}))
	}
	if w.certified(objects) {
		group.Go(fault.Guard(func() error { return w.checkCertificateNames(ctx) }))
	}
	return group.Wait()
}

// checkName fails where an object exists that is not Slipway's; err is that of
// reading it. What may not be read is left to whoever writes it.
func (w *workload) checkName(object string, is metav1.Object, err error) error {
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil
	case err != nil:
		return w.explain(err, "read "+object)
	case !w.owns(is):
		return w.foreignError(object, is, "")
	}
	return nil
}

// checkCertificateNames does the same with the Secrets of the certificates. Those
// of somebody else may stay where they serve as they are.
func (w *workload) checkCertificateNames(ctx context.Context) error {
	var server, client *corev1.Secret
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(fault.Guard(func() (err error) {
		server, err = w.readableSecret(groupContext, manifest.ServerSecret(w.node))
		return err
	}))
	group.Go(fault.Guard(func() (err error) {
		client, err = w.readableSecret(groupContext, manifest.ClientSecret(w.node))
		return err
	}))
	if err := group.Wait(); err != nil {
		return err
	}
	if server == nil {
		return w.checkClientSecret(client, pki.Set{})
	}
	set, broken := pki.Parse(server.Data)
	if !w.owns(server) {
		if err := w.checkForeignCertificates(server, set, broken, certifyCheck); err != nil {
			return err
		}
	} else if broken != nil || set.Due(manifest.ServerName(w.node, w.namespace), time.Now()) {
		set = pki.Set{} // others are made
	}
	return w.checkClientSecret(client, set)
}

// checkClientSecret fails where the Secret that agents read is somebody else's
// and does not serve with the workload's certificates; those are empty where they
// are still to be made, and the Secret is nil where there is none.
func (w *workload) checkClientSecret(client *corev1.Secret, set pki.Set) error {
	if client == nil || w.owns(client) || set.SufficesFor(client.Data) {
		return nil
	}
	return w.foreignError("secret "+client.Name, client, "it holds other certificates than the workload's")
}

// readableSecret reads a Secret; nil where there is none or where it may not be
// read.
func (w *workload) readableSecret(ctx context.Context, name string) (*corev1.Secret, error) {
	secret, err := w.client.api.Secrets(w.namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, w.explain(err, "read secret "+name)
	}
	return secret, nil
}
