package cluster

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
)

// compareCertificates looks whether there are certificates and whether they fit
// the definition. That they end one day is no drift: whoever builds renews
// them in time. A Secret that may not be read is left to those who may.
func (w *workload) compareCertificates(ctx context.Context, d *drift) error {
	server, client := manifest.ServerSecret(w.node), manifest.ClientSecret(w.node)
	tls := w.node.Kubernetes.TLS
	brought := tls.ServerSecret != ""
	names := []string{server}
	if tls.ClientDir == "" {
		names = append(names, client)
	}
	for _, name := range names {
		secret, err := w.client.api.Secrets(w.namespace).Get(ctx, name, metav1.GetOptions{})
		why := ""
		switch {
		case apierrors.IsForbidden(err):
			continue
		case apierrors.IsNotFound(err):
			why = diff.OnlyInDefinition
		case err != nil:
			return w.explain(err, "read secret "+name)
		default:
			wanted := ""
			own := pki.Pair{Certificate: secret.Data[pki.KeyCertificate], Key: secret.Data[pki.KeyPrivate]}
			if name == server {
				wanted = manifest.ServerName(w.node, w.namespace)
			}
			why = own.Problem(wanted, time.Now())
		}
		if why == "" {
			continue
		}
		line := fmt.Sprintf("secret %s: %s", name, why)
		d.lines = append(d.lines, line)
		if brought {
			d.unapplied = append(d.unapplied, line+", which is for whoever brings it")
		} else {
			d.needsCertificates = true
		}
	}
	return nil
}
