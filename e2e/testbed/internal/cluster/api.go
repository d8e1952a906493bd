package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/pki"
)

// api is the little of a Kubernetes client that starting a cluster needs.
type api struct {
	client        *http.Client
	server, token string
}

func (c Cluster) api() (*api, error) {
	pool, err := pki.Pool(c.authority())
	if err != nil {
		return nil, err
	}
	tokens, err := os.ReadFile(filepath.Join(c.secrets(), "tokens.csv"))
	if err != nil {
		return nil, fmt.Errorf("read the administrator's token: %w", err)
	}
	token, _, _ := strings.Cut(string(tokens), ",") // the first is the administrator's
	return &api{
		server: c.APIServer(),
		token:  token,
		client: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{TLSClientConfig: tlsConfig(pool)},
		},
	}, nil
}

func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// do sends one request and reads the answer into result, if there is one.
func (a *api) do(ctx context.Context, method, path, kind, body string, result any) error {
	request, err := http.NewRequestWithContext(ctx, method, a.server+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the API server: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the API server: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read the API server's answer: %w", err)
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(text)))
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(text, result); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (a *api) get(ctx context.Context, path string, result any) error {
	return a.do(ctx, http.MethodGet, path, "", "", result)
}

// apply makes an object or changes it to what the manifest says.
func (a *api) apply(ctx context.Context, path, manifest string) error {
	return a.do(ctx, http.MethodPatch, path+"?fieldManager=testbed&force=true", "application/apply-patch+yaml", manifest, nil)
}

// nodeObject is what of a Node decides whether the cluster is up.
type nodeObject struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Status struct {
		Conditions []struct{ Type, Status, Message string } `json:"conditions"`
	} `json:"status"`
}

// unready says why the node cannot run pods of its architecture yet; empty
// when it can.
func (o nodeObject) unready(n node) string {
	if arch := o.Metadata.Labels["kubernetes.io/arch"]; arch != n.arch {
		return fmt.Sprintf("%s is %q and not %s", n.name, arch, n.arch)
	}
	for _, condition := range o.Status.Conditions {
		if condition.Type == "Ready" {
			if condition.Status == "True" {
				return ""
			}
			return n.name + " is not ready: " + condition.Message
		}
	}
	return n.name + " has not said whether it is ready"
}
