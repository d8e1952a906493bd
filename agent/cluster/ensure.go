package cluster

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
)

// ensure creates the workload if there is none and wakes one that is scaled to
// zero. Everything it does may be done by any number of agents at once: what
// exists already counts as done, and all write the same.
func (w *workload) ensure(ctx context.Context) error {
	return w.retryOnConflict(ctx, "write "+w.String(), func() error {
		is, err := w.state(ctx)
		switch {
		case apierrors.IsNotFound(err):
			if err := w.checkNames(ctx); err != nil {
				return err
			}
			return w.create(ctx)
		case err != nil:
			return err
		}
		if err := w.reconcileWorkload(ctx, is); err != nil {
			return err
		}
		if is.listens {
			w.repairCertificates(ctx)
		}
		if is.replicas > 0 {
			return nil
		}
		return w.wake(ctx, is.version)
	})
}

// workloadState is what a workload is like.
type workloadState struct {
	replicas int32
	// version is its resource version.
	version string
	// listens is true when its pods take TLS connections.
	listens bool
	// labels are the workload's, annotations those of its pods.
	labels, annotations map[string]string
}

// state is load for those who want to know a few things of the workload.
func (w *workload) state(ctx context.Context) (workloadState, error) {
	is, err := w.load(ctx, manifest.Kind(w.node))
	if err != nil {
		return workloadState{}, err
	}
	return workloadState{replicas: is.Replicas(), version: is.Meta().ResourceVersion, listens: is.Listens(), labels: is.Meta().Labels, annotations: is.Template().Annotations}, nil
}

// repairCertificates sees to the Secrets of a workload that exists, without which
// its pods cannot start. An agent that may not do so leaves it: the pods then say
// what they wait for.
func (w *workload) repairCertificates(ctx context.Context) {
	if w.node.Kubernetes.TLS.ServerSecret != "" {
		return
	}
	if err := w.certify(ctx, certifyCheck); err != nil {
		w.client.log.Debug().Err(err).Str("workload", w.name).Msg("the certificates were not looked after")
	}
}

// create makes what the workload mounts first, so that no pod waits for it.
// ConfigMaps and Secrets that are left of an earlier workload are brought up
// to date.
//
// A role that buildx was content with cannot write Secrets. Then the workload
// is made as buildx makes it, to be reached by exec, unless another transport
// is pinned.
func (w *workload) create(ctx context.Context) error {
	objects, err := w.objects()
	if err != nil {
		return err
	}
	err = w.createObjects(ctx, objects)
	var uncertified *certificateError
	if !errors.As(err, &uncertified) {
		return err
	}
	var known *kube.Error
	if !errors.As(uncertified.err, &known) || known.Reason != kube.ReasonForbidden || w.client.dialer.Pinned(w.node) != configmap.TransportAuto {
		return uncertified.err
	}
	w.report(fmt.Sprintf("no right to make certificates, so %s will be reached by exec, which is slower: %v", w, known))
	if objects, err = w.execObjects(); err != nil {
		return err
	}
	return w.createObjects(ctx, objects)
}

func (w *workload) createObjects(ctx context.Context, objects manifest.Objects) error {
	w.report(fmt.Sprintf("creating %s in namespace %s", w, w.namespace))
	certified := w.certified(objects)

	var set pki.Set
	before, beforeContext := errgroup.WithContext(ctx)
	if certified {
		before.Go(fault.Guard(func() (err error) {
			set, err = w.serverCertificates(beforeContext, certifyNew)
			return asCertificateError(err)
		}))
	}
	before.Go(fault.Guard(func() error { return w.writeFiles(beforeContext, objects) }))
	if err := before.Wait(); err != nil {
		return err
	}
	after, afterContext := errgroup.WithContext(ctx)
	if certified { // no pod needs what only agents read
		after.Go(fault.Guard(func() error { return asCertificateError(w.shareCertificates(afterContext, set, certifyNew)) }))
	}
	after.Go(fault.Guard(func() error { return w.createWorkload(afterContext, objects) }))
	return after.Wait()
}

// certified is true where Slipway makes the certificates of the workload.
func (w *workload) certified(objects manifest.Objects) bool {
	return objects.Listens() && w.node.Kubernetes.TLS.ServerSecret == ""
}

// certificateError marks what went wrong with certificates, which a workload
// that is reached by exec can do without.
type certificateError struct{ err error }

// Error implements error.
func (e *certificateError) Error() string { return e.err.Error() }

// Unwrap returns what was marked.
func (e *certificateError) Unwrap() error { return e.err }

func asCertificateError(err error) error {
	if err == nil {
		return nil
	}
	return &certificateError{err}
}

func (w *workload) createWorkload(ctx context.Context, objects manifest.Objects) (err error) {
	options := metav1.CreateOptions{FieldManager: kube.FieldManager}
	if objects.StatefulSet != nil {
		_, err = w.client.api.StatefulSets(w.namespace).Create(ctx, objects.StatefulSet, options)
	} else {
		_, err = w.client.api.Deployments(w.namespace).Create(ctx, objects.Deployment, options)
	}
	if apierrors.IsAlreadyExists(err) {
		// Another agent was faster, or somebody else with something else.
		if _, err = w.load(ctx, manifest.Kind(w.node)); apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	return w.explain(err, "create "+w.String())
}

// wake scales a workload up that somebody scaled to zero, which buildx never
// does: it would wait for a pod that nobody makes. That somebody else has
// written it since it was read is a conflict.
func (w *workload) wake(ctx context.Context, version string) error {
	n := w.node.Kubernetes.Replicas
	w.report(fmt.Sprintf("%s in namespace %s is scaled to zero: scaling it to %d", w, w.namespace, n))
	err := w.client.api.Scale(ctx, manifest.Kind(w.node), w.namespace, w.name, n, version)
	return w.explain(err, fmt.Sprintf("scale %s, which is scaled to zero,", w))
}
