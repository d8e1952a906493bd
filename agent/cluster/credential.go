package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
)

// credential is what the agent proves itself with to a workload's buildkitd,
// and knows it by.
type credential struct {
	roots *x509.CertPool
	// pairs are the client's certificates, the newest first.
	pairs []tls.Certificate
	// serverName is the name that the server's certificate must bear.
	serverName string
	// source is where it was found, for messages.
	source string
}

// credential returns the client's certificates for node: those of the
// definition's directory, else those of the Secret, which is read once in the
// client's life. Its errors are of type *Error but for those of ctx.
func (c *Client) credential(ctx context.Context, node configmap.Node) (*credential, error) {
	key := c.workloadKey(node)
	c.mu.Lock()
	known := c.credentials[key]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	var made *credential
	var err error
	if dir := node.Kubernetes.TLS.ClientDir; dir != "" {
		made, err = credentialOfDir(c.files, dir)
	} else {
		made, err = c.credentialOfSecret(ctx, node)
	}
	if err != nil {
		return nil, err
	}
	c.keepCredential(node, made)
	return made, nil
}

func (c *Client) keepCredential(node configmap.Node, made *credential) {
	made.serverName = ServerName(node, c.Namespace(node))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credentials[c.workloadKey(node)] = made
}

// workloadKey tells the workloads apart that a client is used for.
func (c *Client) workloadKey(node configmap.Node) string {
	return c.Namespace(node) + "/" + WorkloadName(node)
}

func (c *Client) credentialOfSecret(ctx context.Context, node configmap.Node) (*credential, error) {
	namespace, name := c.Namespace(node), clientSecret(node)
	source := "secret " + namespace + "/" + name
	secret, err := c.secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		hint := "have it made by someone with the role slipway-manage: slipway up"
		if node.Kubernetes.TLS.ClientSecret != "" {
			hint = "the definition names it in Slipway.tls.clientSecret: make it there"
		}
		return nil, &Error{
			Reason:  ReasonCertificate,
			message: source + " with the client's certificate does not exist",
			hints:   []string{hint},
			cause:   err,
		}
	case err != nil:
		return nil, explain(err, "read "+source, c.identity, secretsOf(node))
	}
	made, err := parseCredential(source, secret.Data)
	if err != nil {
		return nil, &Error{
			Reason:  ReasonCertificate,
			message: fmt.Sprintf("%s: %v", source, err),
			hints:   []string{"have it mended by someone with the role slipway-manage: slipway up"},
			cause:   err,
		}
	}
	return made, nil
}

// credentialOfDir reads a mounted Secret, or a directory with the names that
// BuildKit's documents use.
func credentialOfDir(files *source.Reader, dir string) (*credential, error) {
	names := map[string]string{keyCA: "ca.pem", keyCertificate: "cert.pem", keyPrivate: "key.pem"}
	data := map[string][]byte{}
	for _, key := range []string{keyCA, keyCertificate, keyPrivate, keyBefore, keyBeforePrivate} {
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
	made, err := parseCredential(dir, data)
	if err != nil {
		return nil, dirError(dir, err)
	}
	return made, nil
}

func dirError(dir string, err error) error {
	return &Error{
		Reason:  ReasonCertificate,
		message: fmt.Sprintf("the client's certificate in %s cannot be used: %v", dir, err),
		hints:   []string{"the definition names it in Slipway.tls.clientDir: mount a Secret with ca.crt, tls.crt and tls.key there"},
		cause:   err,
	}
}

// parseCredential reads the keys of clientData. No error repeats content.
func parseCredential(source string, data map[string][]byte) (*credential, error) {
	made := &credential{source: source, roots: x509.NewCertPool()}
	if !made.roots.AppendCertsFromPEM(data[keyCA]) {
		return nil, errors.New(keyCA + " holds no certificate")
	}
	for _, keys := range [][2]string{{keyCertificate, keyPrivate}, {keyBefore, keyBeforePrivate}} {
		one := pair{data[keys[0]], data[keys[1]]}
		if keys[0] == keyBefore && len(one.certificate) == 0 {
			continue
		}
		parsed, err := one.parse()
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", keys[0], keys[1], err)
		}
		made.pairs = append(made.pairs, parsed)
	}
	return made, nil
}

// unacceptedError is a server that takes certificates of other authorities
// only.
type unacceptedError struct{ source string }

func (e *unacceptedError) Error() string {
	return "it takes no certificate of those authorities that signed the ones in " + e.source
}

// config is for one connection.
func (c *credential) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: c.serverName,
		RootCAs:    c.roots,
		NextProtos: []string{"h2"},
		// After a renewal older pods still know only the authority before.
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range c.pairs {
				if request.SupportsCertificate(&c.pairs[i]) == nil {
					return &c.pairs[i], nil
				}
			}
			return nil, &unacceptedError{c.source}
		},
		// Records grow from a packet's size by default, for the first byte's
		// sake; here it is the last byte that counts.
		DynamicRecordSizingDisabled: true,
	}
}
