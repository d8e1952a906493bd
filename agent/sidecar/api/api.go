// Package api is what slipway agent offers beside BuildKit's own API: HTTP with JSON
// on the socket agent.sock of the directory that it serves. HTTP because everything
// has a client for it, from curl in a job to a kubelet's probe; a change that breaks
// clients gets another version in the paths.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-build/slipway/registry"
)

// The paths of the API.
const (
	StatusPath = "/v1/status"
	TokenPath  = "/v1/registry-token"
	LivePath   = "/healthz"
	ReadyPath  = "/readyz"
)

// AffinityMetadata is the metadata of gRPC by which a client of a node's socket tells
// for what it builds: builds with the same value get the same pod of several, where the
// files of the one before are. The value has no meaning of its own.
const AffinityMetadata = "slipway-affinity"

// PolicyError starts the message of a call that the sidecar's policy does not let pass.
// Its code is PermissionDenied, ResourceExhausted where too many builds wait, and
// DeadlineExceeded where a build has taken too long.
const PolicyError = "slipway agent: policy: "

// DefaultDir is the directory that is served where no other one is named.
const DefaultDir = "/run/slipway"

// Socket is the socket of the API in a directory.
func Socket(dir string) string { return filepath.Join(dir, "agent.sock") }

// lockFile is locked by the process that serves a directory. It stays when that ends.
const lockFile = ".lock"

// LockFile is the file in a directory that the agent which serves it holds locked.
func LockFile(dir string) string { return filepath.Join(dir, lockFile) }

// Served reports whether the socket of a node, DIR/BUILDER/NODE.sock, is in a directory
// that an agent serves, or has served and may serve again.
func Served(socket string) bool {
	info, err := os.Stat(LockFile(filepath.Dir(filepath.Dir(socket))))
	return err == nil && info.Mode().IsRegular()
}

// ErrorPrefix begins the messages of errors that calls to the socket of a node get from
// the agent itself.
const ErrorPrefix = "slipway agent: "

// IsAnswer reports whether an error of a call is one of the agent itself.
func IsAnswer(err error) bool { return err != nil && strings.Contains(err.Error(), ErrorPrefix) }

// DefinitionsDir is where clients find the builders that are served; empty where dir is.
func DefinitionsDir(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "definitions")
}

// Status is the answer of StatusPath.
type Status struct {
	// Version is that of slipway agent.
	Version string `json:"version"`
	// Builders are those that are served.
	Builders []Builder `json:"builders"`
	// Registries are those that the builders' definitions say how to reach, and those
	// for which builds need no credential of their own.
	Registries []Registry `json:"registries"`
}

// Registry is a registry as the agent knows it.
type Registry struct {
	// Host is host[:port].
	Host string `json:"host"`
	// Credentials says that tokens for it are given out.
	Credentials bool `json:"credentials"`
	// PlainHTTP and Insecure are as in buildkitd.toml: without TLS, and with
	// certificates that are not checked.
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	Insecure  bool `json:"insecure,omitempty"`
	// CAs are authorities that are trusted besides the system's, PEM.
	CAs []string `json:"cas,omitempty"`
}

// Builder is one builder.
type Builder struct {
	Name  string `json:"name"`
	Nodes []Node `json:"nodes"`
}

// Node is one node of a builder.
type Node struct {
	Name string `json:"name"`
	// Socket speaks BuildKit's API.
	Socket string `json:"socket"`
	// Ready says that a buildkitd of the node has answered since the agent began.
	Ready bool `json:"ready"`
	// Platforms are those that it builds for, as "linux/amd64"; empty as long as
	// that is not known.
	Platforms []string `json:"platforms"`
	// BuildKit is the version of buildkitd; empty as long as that is not known.
	BuildKit string `json:"buildkit,omitempty"`
	// Error says why the node is not ready.
	Error string `json:"error,omitempty"`
}

// TokenRequest is the body of a request to TokenPath: a token for a repository.
type TokenRequest struct {
	// Host is the registry, host[:port].
	Host string `json:"host"`
	// Repository is its name there, team/app.
	Repository string `json:"repository"`
	// Push asks for the right to push as well.
	Push bool `json:"push,omitempty"`
}

// Token is the answer.
type Token struct {
	Token string `json:"token"`
	// ExpiresIn is its lifetime in seconds; 0 where the registry does not tell.
	ExpiresIn int `json:"expiresIn"`
}

// Problem is the answer where there is none, with a status of 400 and above.
type Problem struct {
	Error string `json:"error"`
}

// Client asks a slipway agent. It implements registry.Finder and registry.Lister. Where
// its directory is empty nothing is served.
type Client struct{ dir string }

// NewClient returns a client of the agent that serves a directory.
func NewClient(dir string) *Client { return &Client{dir: dir} }

// timeout bounds a question, in which the agent may have to ask a registry.
const timeout = 30 * time.Second

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 1 << 20

// Serving reports whether an agent serves the directory, without asking it.
func (c *Client) Serving() bool {
	info, err := os.Stat(Socket(c.dir))
	return c.dir != "" && err == nil && info.Mode().Type() == os.ModeSocket
}

// Status asks for the status.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, StatusPath, nil, &s)
}

// Ready returns nil when all nodes are ready, and else what is not.
func (c *Client) Ready(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, ReadyPath, nil, nil)
}

// Live returns nil when the agent answers.
func (c *Client) Live(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, LivePath, nil, nil)
}

// Find implements registry.Finder: the agent's token for the repository.
func (c *Client) Find(ctx context.Context, r registry.Request) (registry.Credential, error) {
	if r.Repository == "" || !c.Serving() {
		return registry.Credential{}, nil
	}
	var answer Token
	err := c.call(ctx, http.MethodPost, TokenPath, TokenRequest{Host: r.Host, Repository: r.Repository, Push: r.Push}, &answer)
	refused := (*statusError)(nil)
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusNotFound: // it has none for the registry
		return registry.Credential{}, nil
	case errors.As(err, &refused) && refused.status == http.StatusForbidden:
		return registry.Credential{}, &registry.PassedOver{Why: refused.message}
	case err != nil:
		return registry.Credential{}, err
	}
	return registry.Credential{RegistryToken: answer.Token, Source: "slipway agent"}, nil
}

// Registries implements registry.Lister.
func (c *Client) Registries(ctx context.Context) []string {
	if !c.Serving() {
		return nil
	}
	s, err := c.Status(ctx)
	if err != nil {
		return nil // Find tells it
	}
	var hosts []string
	for _, r := range s.Registries {
		if r.Credentials {
			hosts = append(hosts, r.Host)
		}
	}
	return hosts
}

// statusError is an answer with an error.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return "slipway agent: " + e.message }

func (c *Client) call(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://slipway"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", Socket(c.dir))
	}}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("slipway agent in %s: %w", c.dir, errors.Unwrap(err))
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("slipway agent in %s: %w", c.dir, err)
	}
	if response.StatusCode != http.StatusOK {
		var p Problem
		if json.Unmarshal(content, &p) != nil || p.Error == "" {
			p.Error = response.Status
		}
		return &statusError{response.StatusCode, p.Error}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("slipway agent in %s: its answer cannot be read: %w", c.dir, err)
	}
	return nil
}
