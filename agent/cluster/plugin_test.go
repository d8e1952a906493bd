package cluster

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// TestCredentialPlugin has plugins that fail and that never end. A request goes
// on waiting for neither.
func TestCredentialPlugin(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	dir := t.TempDir()
	for _, tt := range []struct{ name, script, words string }{
		{"fails", "exit 7", "credential plugin fails of kubeconfig context main failed: exec: executable " + dir + "/fails failed with exit code 7"},
		// It ends with the test, which removes its file.
		{"hangs", "exec 0</dev/null 1>/dev/null 2>/dev/null; while test -e \"$0\"; do sleep 0.1; done", "credential plugin hangs of kubeconfig context main has not answered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			command := filepath.Join(dir, tt.name)
			if err := os.WriteFile(command, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			c, err := newTestClient(&rest.Config{Host: server.URL, ExecProvider: &clientcmdapi.ExecConfig{
				Command: command, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
			}}, kube.Identity{Namespace: "ci", Context: "main"}, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			node := clustertest.Node(nil)
			node.Kubernetes.Timeout = 20 * time.Second
			if tt.name == "hangs" {
				node.Kubernetes.Timeout = time.Second
			}
			_, err = c.Up(t.Context(), node, func(string) {})
			known := (*kube.Error)(nil)
			if !errors.As(err, &known) || known.Reason != kube.ReasonIdentity || !strings.Contains(known.Error(), tt.words) || len(known.Hints()) == 0 {
				t.Errorf("%v, want %q", err, tt.words)
			}
		})
	}
}
