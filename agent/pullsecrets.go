package agent

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/registry"
)

// pullSecretsTimeout bounds how long the API server may take to answer. A build
// waits for it only when no other source has a credential.
const pullSecretsTimeout = 5 * time.Second

// PullSecrets is the source of the credentials that the cluster has for the
// service account of the agent's pod. Nothing is asked before a registry
// without another credential is to be spoken to.
func PullSecrets(access cluster.Access, log zerolog.Logger) registry.CredentialSource {
	return registry.ServiceAccount(func(ctx context.Context) ([]registry.PullSecret, error) {
		ctx, cancel := context.WithTimeout(ctx, pullSecretsTimeout)
		defer cancel()
		return pullSecrets(ctx, access, log)
	})
}

func pullSecrets(ctx context.Context, access cluster.Access, log zerolog.Logger) ([]registry.PullSecret, error) {
	known := (*kube.Error)(nil)
	client, err := kube.Connect(access.Access, "", log)
	if errors.As(err, &known) && known.Reason == kube.ReasonIdentity {
		return nil, nil // no cluster, no secrets of it
	}
	if err != nil {
		return nil, err
	}
	found, err := client.PullSecrets(ctx)
	if errors.As(err, &known) && known.Reason == kube.ReasonForbidden {
		// The default: a build's role does not read secrets.
		return nil, &registry.Unavailable{Why: "the agent has no right to read them: " + known.Error()}
	}
	if err != nil {
		return nil, err
	}
	secrets := make([]registry.PullSecret, len(found))
	for i, f := range found {
		secrets[i] = registry.PullSecret(f)
	}
	return secrets, nil
}
