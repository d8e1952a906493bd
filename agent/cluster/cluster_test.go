package cluster

import (
	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// newTestClient is what Connect makes of a configuration.
func newTestClient(config *rest.Config, id kube.Identity, log zerolog.Logger) (*Client, error) {
	return newPinnedClient(config, id, "", log)
}

// newPinnedClient is newTestClient with the transport of all nodes.
func newPinnedClient(config *rest.Config, id kube.Identity, pin configmap.Transport, log zerolog.Logger) (*Client, error) {
	api, err := kube.New(config, id, "", log)
	if err != nil {
		return nil, err
	}
	return newClient(api, Access{Transport: pin}, log), nil
}
