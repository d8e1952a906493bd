package registrytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// Import gives an archive, docker's or an OCI one, to the containerd of the
// node of that name, in a namespace of its own that it removes again, and
// returns the references under which containerd has what was in it. An empty
// platform is the node's own; others must be said: containerd unpacks what it
// imports.
func Import(ctx context.Context, bed state.State, node, archive, platform string) (references []string, err error) {
	c, err := containerdOf(bed, node)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.clear(context.WithoutCancel(ctx))) }()
	args := []string{"images", "import"}
	if platform != "" {
		args = append(args, "--platform", platform)
	}
	if _, err := c.ctr(ctx, append(args, archive)...); err != nil {
		return nil, fmt.Errorf("import %s: %w", archive, err)
	}
	return c.images(ctx)
}

// containerd is the containerd of one node, in a namespace of a test.
type containerd struct{ program, socket, namespace string }

func containerdOf(bed state.State, node string) (containerd, error) {
	for _, n := range bed.Nodes {
		if n.Name == node {
			return containerd{program: filepath.Join(bed.BinDir, "ctr"), socket: n.Containerd, namespace: "scenario-" + strings.ToLower(rand.Text())}, nil
		}
	}
	return containerd{}, fmt.Errorf("this machine has no containerd of a node %q", node)
}

func (c containerd) ctr(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.program, append([]string{"--address", c.socket, "--namespace", c.namespace}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

func (c containerd) images(ctx context.Context) ([]string, error) {
	out, err := c.ctr(ctx, "images", "list", "--quiet")
	if err != nil {
		return nil, fmt.Errorf("list what was imported: %w", err)
	}
	return strings.Fields(out), nil
}

// clear removes the namespace with all that is in it.
func (c containerd) clear(ctx context.Context) error {
	references, err := c.images(ctx)
	if err != nil {
		return err
	}
	if len(references) > 0 {
		// Waits until what the images alone held is gone: a namespace must be
		// empty.
		if _, err := c.ctr(ctx, append([]string{"images", "remove", "--sync"}, references...)...); err != nil {
			return fmt.Errorf("remove what was imported: %w", err)
		}
	}
	// Importing nothing makes no namespace.
	if _, err := c.ctr(ctx, "namespaces", "remove", c.namespace); err != nil && !strings.Contains(err.Error(), "not found") {
		return fmt.Errorf("remove the namespace of the import: %w", err)
	}
	return nil
}
