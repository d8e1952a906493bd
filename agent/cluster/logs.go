package cluster

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// LogOptions say which lines of a pod's log are wanted.
type LogOptions struct {
	// Follow goes on until the pod ends.
	Follow bool
	// Tail is how many of the last lines to begin with; nil for all.
	Tail *int64
}

// Logs opens the log of buildkitd in one of node's pods, by the pod's name. The
// caller closes it; ctx bounds the reading, too. Errors are of type *kube.Error but
// for those of ctx.
func (c *Client) Logs(ctx context.Context, node configmap.Node, pod string, options LogOptions) (io.ReadCloser, error) {
	namespace := c.Namespace(node)
	stream, err := c.api.PodLog(namespace, pod, &corev1.PodLogOptions{Container: manifest.ContainerName, Follow: options.Follow, TailLines: options.Tail}).
		Stream(kube.Quiet(ctx))
	if err != nil {
		return nil, kube.Explain(err, fmt.Sprintf("read the log of pod %s in namespace %s", pod, namespace), c.api.Identity(), manifest.SecretNames(node))
	}
	return stream, nil
}
