package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
)

// Credential returns the client's certificates for node: those of the
// definition's directory, else those of the Secret, which are read again after
// memoryLife. Its errors are of type *kube.Error but for those of ctx.
func (d *Dialer) Credential(ctx context.Context, node configmap.Node) (*pki.Credential, error) {
	if known := d.CachedCredential(node); known != nil {
		return known, nil
	}
	var made *pki.Credential
	var err error
	if dir := node.Kubernetes.TLS.ClientDir; dir != "" {
		made, err = credentialOfDir(d.files, dir)
	} else {
		made, err = d.credentialOfSecret(ctx, node)
	}
	if err != nil {
		if old := d.oldCredential(node, err); old != nil {
			return old, nil
		}
		return nil, err
	}
	d.KeepCredential(node, made)
	return made, nil
}

// KeepCredential is for who has just made the credential of node's workload: it
// need not be fetched. Its ServerName is set.
func (d *Dialer) KeepCredential(node configmap.Node, made *pki.Credential) {
	made.ServerName = manifest.ServerName(node, d.api.Namespace(node))
	d.credentials.put(d.workloadKey(node), made)
}

// CachedCredential is what Credential has returned before; nil where that was long ago.
func (d *Dialer) CachedCredential(node configmap.Node) *pki.Credential {
	return d.credentials.get(d.workloadKey(node))
}

// oldCredential is one that was read long ago, where the API server, as why says, does not
// answer: it is all there is until then. Else it is nil.
func (d *Dialer) oldCredential(node configmap.Node, why error) *pki.Credential {
	if known := (*kube.Error)(nil); !errors.As(why, &known) || known.Reason != kube.ReasonUnreachable {
		return nil
	}
	return d.credentials.old(d.workloadKey(node))
}

// forgetOld forgets the credential of node's workload, and returns true, if another one
// may have taken its place since it was read.
func (d *Dialer) forgetOld(node configmap.Node) bool {
	key := d.workloadKey(node)
	if known, age := d.credentials.withAge(key); known == nil || age < youngest {
		return false
	}
	d.credentials.forget(key)
	return true
}

// workloadKey tells the workloads apart that a client is used for.
func (d *Dialer) workloadKey(node configmap.Node) string {
	return d.api.Namespace(node) + "/" + manifest.WorkloadName(node)
}

func (d *Dialer) credentialOfSecret(ctx context.Context, node configmap.Node) (*pki.Credential, error) {
	namespace, name := d.api.Namespace(node), manifest.ClientSecret(node)
	source := "secret " + namespace + "/" + name
	secret, err := d.api.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		hint := "have it made by someone with the role slipway-manage: slipway up"
		if node.Kubernetes.TLS.ClientSecret != "" {
			hint = "the definition names it in Slipway.tls.clientSecret: make it there"
		}
		return nil, &kube.Error{
			Reason:  kube.ReasonCertificate,
			Message: source + " with the client's certificate does not exist",
			Advice:  []string{hint},
			Cause:   err,
		}
	case err != nil:
		return nil, kube.Explain(err, "read "+source, d.api.Identity(), manifest.SecretNames(node))
	}
	made, err := pki.ParseCredential(source, secret.Data)
	if err != nil {
		return nil, &kube.Error{
			Reason:  kube.ReasonCertificate,
			Message: fmt.Sprintf("%s: %v", source, err),
			Advice:  []string{"have it mended by someone with the role slipway-manage: slipway up"},
			Cause:   err,
		}
	}
	return made, nil
}

// credentialOfDir reads a mounted Secret, or a directory with the names that
// BuildKit's documents use.
func credentialOfDir(files *source.Reader, dir string) (*pki.Credential, error) {
	names := map[string]string{pki.KeyCA: "ca.pem", pki.KeyCertificate: "cert.pem", pki.KeyPrivate: "key.pem"}
	data := map[string][]byte{}
	for _, key := range []string{pki.KeyCA, pki.KeyCertificate, pki.KeyPrivate, pki.KeyPrevious, pki.KeyPreviousPrivate} {
		content, err := files.Read(filepath.Join(dir, key), source.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) && names[key] != "" {
			content, err = files.Read(filepath.Join(dir, names[key]), source.MaxConfig)
		}
		if errors.Is(err, fs.ErrNotExist) && names[key] == "" {
			continue // there was no renewal yet
		}
		if err != nil {
			return nil, dirError(dir, err)
		}
		data[key] = content
	}
	made, err := pki.ParseCredential(dir, data)
	if err != nil {
		return nil, dirError(dir, err)
	}
	return made, nil
}

func dirError(dir string, err error) error {
	return &kube.Error{
		Reason:  kube.ReasonCertificate,
		Message: fmt.Sprintf("the client's certificate in %s cannot be used: %v", dir, err),
		Advice:  []string{"the definition names it in Slipway.tls.clientDir: mount a Secret with ca.crt, tls.crt and tls.key there"},
		Cause:   err,
	}
}
