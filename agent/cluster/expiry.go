package cluster

import (
	"context"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

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
