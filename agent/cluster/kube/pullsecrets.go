package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/rbac"
)

// PullSecret is a secret that a service account names for pulling images.
type PullSecret struct {
	// Name is "namespace/name".
	Name string
	// Data is a docker config, or what .dockercfg holds.
	Data []byte
}

// PullSecrets fetches the imagePullSecrets of the service account that the
// client is. It returns none when the client is anybody else. An *Error with
// ReasonForbidden says which right is missing. Secrets that do not exist and
// those of other types are passed by, as the kubelet does.
func (c *Client) PullSecrets(ctx context.Context) ([]PullSecret, error) {
	if c.identity.Source != SourceServiceAccount {
		return nil, nil
	}
	ctx = Quiet(ctx)
	token, err := os.ReadFile(c.config.BearerTokenFile)
	if err != nil {
		return nil, identityError("read the service account's token", err)
	}
	namespace, name, err := serviceAccountOf(string(token))
	if err != nil {
		return nil, identityError("find the service account's name in its token", err)
	}
	account, err := c.serviceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, Explain(err, fmt.Sprintf("get serviceaccount %s in namespace %s", name, namespace), c.identity, rbac.SecretNames{})
	}
	var all []PullSecret
	for _, ref := range account.ImagePullSecrets {
		secret, err := c.Secrets(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			c.log.Debug().Str("secret", ref.Name).Msg("the service account names a pull secret that does not exist")
			continue
		}
		if err != nil {
			return nil, Explain(err, fmt.Sprintf("get secret %s in namespace %s", ref.Name, namespace), c.identity, rbac.SecretNames{})
		}
		data := secret.Data[corev1.DockerConfigJsonKey]
		if len(data) == 0 {
			data = secret.Data[corev1.DockerConfigKey]
		}
		if len(data) > 0 {
			all = append(all, PullSecret{Name: namespace + "/" + ref.Name, Data: data})
		}
	}
	return all, nil
}

// serviceAccountOf reads whose a service account's token is. The token is the
// agent's own, so its signature is not looked at: the API server does that.
func serviceAccountOf(token string) (namespace, name string, err error) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return "", "", errors.New("the token is not a JSON Web Token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", "", fmt.Errorf("decode the token's claims: %w", err)
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", "", fmt.Errorf("read the token's claims: %w", err)
	}
	user, ok := strings.CutPrefix(claims.Subject, "system:serviceaccount:")
	namespace, name, both := strings.Cut(user, ":")
	if !ok || !both {
		return "", "", errors.New("the token is not that of a service account")
	}
	return namespace, name, nil
}
