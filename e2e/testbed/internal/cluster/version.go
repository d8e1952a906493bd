package cluster

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/e2e/testbed/internal/compile"
	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
)

// What the cluster is made of that not every version of Kubernetes has: the
// minor version that is the first with it.
const (
	failCgroupV1            = 31 // a field of the kubelet's configuration
	mutatingAdmissionPolicy = 36 // admissionregistration.k8s.io/v1
)

// has tells whether the cluster's version has something of a minor version.
func (c Cluster) has(since int) bool {
	return c.Kubernetes == "" || compile.Minor(c.Kubernetes) >= since
}

// archWebhookAddress is where the API server asks for the architecture of nodes.
const archWebhookAddress = "127.0.0.1:22443"

// archWebhook is the daemon that does for old versions what a
// MutatingAdmissionPolicy does for new ones.
func (c Cluster) archWebhook() proc.Daemon {
	argv := []string{c.ArchWebhook, archWebhookAddress, filepath.Join(c.secrets(), "arch-webhook.crt"), filepath.Join(c.secrets(), "arch-webhook.key")}
	for _, n := range nodes {
		argv = append(argv, n.name+"="+n.arch)
	}
	return c.daemon("arch-webhook", argv...)
}

func (c Cluster) startArchWebhook(ctx context.Context, server *api, group string) error {
	if err := c.archWebhook().Launch(ctx); err != nil {
		return err
	}
	ca, err := os.ReadFile(c.authority())
	if err != nil {
		return fmt.Errorf("read the cluster's root certificate: %w", err)
	}
	text, err := render("archWebhook", map[string]any{"Address": archWebhookAddress, "CA": base64.StdEncoding.EncodeToString(ca)})
	if err != nil {
		return err
	}
	if err := server.apply(ctx, group+"mutatingwebhookconfigurations/testbed-arch", text); err != nil {
		return fmt.Errorf("make the webhook for the architectures of nodes: %w", err)
	}
	return nil
}
