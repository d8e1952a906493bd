package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
)

// Certify looks after the certificates of node's workload: it makes what is
// missing, mends the copy that agents read, and renews all of them when less
// than a third of their life is left or when renew is true. Running pods go on
// with what they have. A workload that does not listen needs nothing. report
// gets a line when something was made. Errors are of type *kube.Error but for those
// of ctx.
func (c *Client) Certify(ctx context.Context, node configmap.Node, renew bool, report func(string)) error {
	ctx = kube.Quiet(ctx)
	w := newWorkload(c, node, report)
	state, err := w.state(ctx)
	if err != nil {
		return w.explain(err, "get "+w.String())
	}
	if !state.listens {
		if renew {
			report("has no certificates of its own: its buildkitd takes no TLS connections, or it was made by others")
		}
		return nil
	}
	if brought := node.Kubernetes.TLS.ServerSecret; brought != "" {
		if renew {
			return &kube.Error{
				Reason:  kube.ReasonDefinition,
				Message: fmt.Sprintf("node %s: its certificates are not slipway's to renew: the definition brings secret %s", node.Name, brought),
				Advice:  []string{"renew them where they are made, such as by cert-manager"},
			}
		}
		return nil
	}
	if renew {
		return w.certify(ctx, certifyRenew)
	}
	return w.certify(ctx, certifyCheck)
}

// CertificateExpiry is when the certificate ends that this client proves itself
// with to node's pods. The server's was made with it and ends with it, where
// Slipway made both. Errors are of type *kube.Error but for those of ctx.
func (c *Client) CertificateExpiry(ctx context.Context, node configmap.Node) (time.Time, error) {
	own, err := c.dialer.Credential(kube.Quiet(ctx), node)
	if err != nil {
		return time.Time{}, err
	}
	return own.Expiry(), nil
}

// certifyMode is what is expected of the Secrets.
type certifyMode int

const (
	// certifyCheck: they exist and are to stay unless they are due.
	certifyCheck certifyMode = iota
	// certifyNew: there are none in all likelihood. Making them without a look
	// saves a round trip and the right to read them.
	certifyNew
	// certifyRenew: they exist and are to be replaced.
	certifyRenew
)

// certify sees to both Secrets.
func (w *workload) certify(ctx context.Context, how certifyMode) error {
	set, err := w.serverCertificates(ctx, how)
	if err != nil {
		return err
	}
	return w.shareCertificates(ctx, set, how)
}

// serverCertificates returns what the workload's Secret holds and makes it
// where there is none or where it is due. Of many agents that do so at once
// one wins, and the others take what it made.
func (w *workload) serverCertificates(ctx context.Context, how certifyMode) (set pki.Set, err error) {
	name := manifest.ServerSecret(w.node)
	err = w.retryOnConflict(ctx, "write secret "+name, func() (err error) {
		if how == certifyNew {
			set, err = w.createCertificates(ctx)
			if !apierrors.IsAlreadyExists(err) {
				return err
			}
			how = certifyCheck
		}
		secret, err := w.client.api.Secrets(w.namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			how = certifyCheck
			client, err := w.readableSecret(ctx, manifest.ClientSecret(w.node))
			if err == nil {
				err = w.checkClientSecret(client, pki.Set{})
			}
			if err != nil {
				return err
			}
			set, err = w.createCertificates(ctx)
			if apierrors.IsAlreadyExists(err) {
				return raced("secret " + name)
			}
			return err
		}
		if err != nil {
			return w.explain(err, "read secret "+name)
		}
		known, broken := pki.Parse(secret.Data)
		if !w.owns(secret) {
			set = known
			return w.checkForeignCertificates(secret, known, broken, how)
		}
		if broken == nil && how != certifyRenew && !known.Due(manifest.ServerName(w.node, w.namespace), time.Now()) {
			set = known
			return nil
		}
		before := &known
		if broken != nil {
			w.client.log.Warn().Err(broken).Str("secret", name).Msg("the certificates are broken and are made anew")
			before = nil
		}
		// After a conflict somebody else has just renewed them. What was shared
		// is put right with theirs.
		how = certifyCheck
		set, err = w.renewCertificates(ctx, secret, before)
		return err
	})
	return set, err
}

// createCertificates makes the workload's Secret. That there is one is the API
// server's own error.
func (w *workload) createCertificates(ctx context.Context) (pki.Set, error) {
	made, err := pki.Make(manifest.ServerName(w.node, w.namespace), time.Now(), nil)
	if err != nil {
		return pki.Set{}, err
	}
	name := manifest.ServerSecret(w.node)
	secret := manifest.TLSSecret(w.node, w.namespace, name, made.ServerData())
	_, err = w.client.api.Secrets(w.namespace).Create(ctx, secret, metav1.CreateOptions{FieldManager: kube.FieldManager})
	if apierrors.IsAlreadyExists(err) {
		return pki.Set{}, err
	}
	return made, w.explain(err, "create secret "+name)
}

// renewCertificates replaces what the workload's Secret holds, which is before;
// nil where that is broken.
func (w *workload) renewCertificates(ctx context.Context, secret *corev1.Secret, before *pki.Set) (pki.Set, error) {
	made, err := pki.Make(manifest.ServerName(w.node, w.namespace), time.Now(), before)
	if err != nil {
		return pki.Set{}, err
	}
	// Agents first: with the new pair and the one before they are ready
	// for every pod, whichever of the two it starts with. The other way
	// round, pods that start in between would be strangers to them.
	if err := w.shareCertificates(ctx, made, certifyRenew); err != nil {
		return pki.Set{}, err
	}
	secret.Data = made.ServerData()
	_, err = w.client.api.Secrets(w.namespace).Update(ctx, secret, metav1.UpdateOptions{FieldManager: kube.FieldManager})
	if err != nil {
		return pki.Set{}, w.explain(err, "renew secret "+secret.Name)
	}
	w.report(fmt.Sprintf("renewed the certificates in secret %s; pods use them from their next start", secret.Name))
	return made, nil
}

// shareCertificates writes the client's part into the Secret that agents read.
// What serves already stays: it may be that of a renewal by somebody else,
// which is written here before it is written there.
func (w *workload) shareCertificates(ctx context.Context, set pki.Set, how certifyMode) error {
	secrets, name := w.client.api.Secrets(w.namespace), manifest.ClientSecret(w.node)
	data := set.ClientData()
	made, err := pki.ParseCredential("secret "+w.namespace+"/"+name, data)
	if err != nil {
		return fmt.Errorf("read the certificates that were made: %w", err)
	}
	err = w.retryOnConflict(ctx, "write secret "+name, func() (err error) {
		var secret *corev1.Secret
		if how != certifyNew {
			secret, err = secrets.Get(ctx, name, metav1.GetOptions{})
		}
		switch {
		case how == certifyNew, apierrors.IsNotFound(err):
			secret = manifest.TLSSecret(w.node, w.namespace, name, data)
			_, err = secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: kube.FieldManager})
			if apierrors.IsAlreadyExists(err) {
				err = raced("secret " + name)
			}
		case err != nil:
			return w.explain(err, "read secret "+name)
		case set.SufficesFor(secret.Data):
			return nil
		default:
			if err := w.checkClientSecret(secret, set); err != nil {
				return err
			}
			secret.Data = data
			_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: kube.FieldManager})
		}
		how = certifyCheck
		return w.explain(err, "write secret "+name)
	})
	if err != nil {
		return err
	}
	if w.node.Kubernetes.TLS.ClientDir == "" {
		w.client.dialer.KeepCredential(w.node, made)
	}
	return nil
}

// renewIfDue has the certificates renewed by whichever build first finds that
// they are due, if it may, so that no periodic job is needed.
func (w *workload) renewIfDue(ctx context.Context, now time.Time) {
	tls := w.node.Kubernetes.TLS
	if tls.ServerSecret != "" || tls.ClientDir != "" {
		return
	}
	known := w.client.dialer.CachedCredential(w.node)
	if known == nil || !known.Due(now) {
		return
	}
	w.repairCertificates(ctx)
}

// checkForeignCertificates refuses a Secret of somebody else that would have to be
// written. One that serves as it is may stay, and is used.
func (w *workload) checkForeignCertificates(secret *corev1.Secret, known pki.Set, broken error, how certifyMode) error {
	why := ""
	switch {
	case broken != nil:
		why = broken.Error()
	case how == certifyRenew:
		why = "its certificates are for whoever made it to renew"
	default:
		if why = known.Server.Problem(manifest.ServerName(w.node, w.namespace), time.Now()); why == "" {
			return nil
		}
		why = "its certificate is " + why
	}
	err := w.foreignError("secret "+secret.Name, secret, why)
	if refused := (*kube.Error)(nil); errors.As(err, &refused) {
		refused.Advice = append(refused.Advice, "or name it in Slipway.tls of the definition, if it is meant for this builder")
	}
	return err
}
