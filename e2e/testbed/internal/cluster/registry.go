package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
	"github.com/slipway-build/slipway/e2e/testbed/pki"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// registry is one of the testbed's registries. They differ in how they
// authenticate; each has its own files.
type registry struct {
	name, port string
	// auth is the template of its part of the configuration.
	auth string
}

var registries = []registry{
	{name: "registry", port: "5000", auth: "password"},
	{name: "token-registry", port: "5001", auth: "token"},
}

func (c Cluster) registryAddress(r registry) string { return net.JoinHostPort(c.apiAddress(), r.port) }

func (r registry) storage() string { return filepath.Join("registry", r.name) }

// registryNames are in the registries' certificate. No name server knows them:
// a pod that uses one has an alias for it, a cluster node a hosts.toml.
var registryNames = []string{"registry.slipway.test", "mirror.slipway.test", "other.slipway.test"}

func registryAddresses() []net.IP {
	addresses := []net.IP{net.IPv4(127, 0, 0, 1)}
	for _, n := range nodes {
		addresses = append(addresses, net.ParseIP(n.ip4), net.ParseIP(n.ip6))
	}
	return addresses
}

// registryUser is what the token service knows of a user. A password file
// knows no rights: with the other registry, each of them may do everything.
type registryUser struct {
	Name     string   `json:"name"`
	Password string   `json:"password"`
	Actions  []string `json:"actions"`
	// Prefix begins the names of the only repositories that the user may use.
	Prefix string `json:"prefix"`
	// Seconds is how long the user's tokens are taken.
	Seconds int `json:"seconds"`
}

// registryUsers begins with the one who may do everything.
var registryUsers = []registryUser{
	{Name: "ci", Actions: []string{"pull", "push", "delete"}, Seconds: 300},
	{Name: "reader", Actions: []string{"pull"}, Seconds: 300},
	{Name: "team", Actions: []string{"pull", "push"}, Prefix: "team/", Seconds: 300},
	{Name: "brief", Actions: []string{"pull", "push"}, Seconds: 5},
	{Name: "minute", Actions: []string{"pull", "push"}, Seconds: 60},
}

func passwordFile(folder, user string) string {
	return filepath.Join(folder, "registry-"+user+".password")
}

// writeRegistryUsers makes the users' passwords, in the forms that tests, the
// registry and the token service read.
func writeRegistryUsers(folder string) error {
	var hashes strings.Builder
	users := make([]registryUser, 0, len(registryUsers))
	for _, user := range registryUsers {
		user.Password = secret()
		users = append(users, user)
		// The registry hashes the password again at every request: at the
		// usual cost that would be most of what it does.
		hash, err := bcrypt.GenerateFromPassword([]byte(user.Password), bcrypt.MinCost)
		if err != nil {
			return fmt.Errorf("hash the password of %s: %w", user.Name, err)
		}
		fmt.Fprintf(&hashes, "%s:%s\n", user.Name, hash)
		if err := proc.WriteFile(passwordFile(folder, user.Name), []byte(user.Password), 0o600); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(users, "", "  ")
	if err != nil {
		return fmt.Errorf("describe the registry's users: %w", err)
	}
	return errors.Join(
		proc.WriteFile(filepath.Join(folder, "registry.htpasswd"), []byte(hashes.String()), 0o600),
		proc.WriteFile(filepath.Join(folder, "registry-users.json"), text, 0o600),
	)
}

// writeRegistryConfigs writes what the registries read, and what tells the
// nodes' containerds that they may trust them.
func (c Cluster) writeRegistryConfigs() error {
	var failed error
	for _, r := range registries {
		storage := c.path(r.storage())
		failed = errors.Join(failed, os.MkdirAll(storage, 0o700))
		text, err := render("registry", map[string]any{
			"Address": c.registryAddress(r), "Storage": storage, "Secrets": c.secrets(), "Secret": secret(), "Auth": r.auth,
			"Service": r.name,
		})
		failed = errors.Join(failed, err, proc.WriteFile(c.path("registry", r.name+".yaml"), []byte(text), 0o600))
		for _, n := range nodes {
			for _, host := range c.registryHostsOf(r) {
				folder := filepath.Join(c.registryHosts(n), host)
				failed = errors.Join(failed, os.MkdirAll(folder, 0o755), proc.WriteFile(filepath.Join(folder, "hosts.toml"), []byte(c.hostsFile(r)), 0o644))
			}
		}
	}
	return failed
}

// registryHostsOf are the hosts under which a reference can name the registry.
func (c Cluster) registryHostsOf(r registry) []string {
	hosts := []string{c.registryAddress(r)}
	for _, name := range registryNames {
		hosts = append(hosts, net.JoinHostPort(name, r.port))
	}
	return hosts
}

// hostsFile leads every name of the registry to its address.
func (c Cluster) hostsFile(r registry) string {
	server := "https://" + c.registryAddress(r)
	return fmt.Sprintf("server = %[1]q\n\n[host.%[1]q]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = %[2]q\n", server, c.authority())
}

func (c Cluster) registry(r registry) proc.Daemon {
	config := c.path("registry", r.name+".yaml")
	argv := []string{c.program("registry"), "serve", config}
	if r.auth == "token" {
		argv = []string{c.program("token-registry"), config, filepath.Join(c.secrets(), "registry-users.json")}
	}
	d := c.daemon(r.name, argv...)
	// By itself it looks for a collector of traces on this machine.
	d.Env = append(d.Env, "OTEL_TRACES_EXPORTER=none")
	return d
}

// StartRegistries starts those registries that do not run, and waits until they
// answer. Unlike Kubernetes they can start again at any time, on their files.
func (c Cluster) StartRegistries(ctx context.Context) error {
	client, err := c.registryClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for _, r := range registries {
		d := c.registry(r)
		if !d.Running() {
			if err := d.Launch(ctx); err != nil {
				return err
			}
		}
		if err := c.await(ctx, d, d.Name, func(ctx context.Context) (bool, string) {
			err := c.answers(ctx, client, r)
			return err == nil, fmt.Sprint(err)
		}); err != nil {
			return err
		}
	}
	return nil
}

// registriesHealthy is nil where every registry answers.
func (c Cluster) registriesHealthy(ctx context.Context) error {
	client, err := c.registryClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	var failed error
	for _, r := range registries {
		failed = errors.Join(failed, c.answers(ctx, client, r))
	}
	return failed
}

func (c Cluster) registryClient() (*http.Client, error) {
	pool, err := pki.Pool(c.authority())
	if err != nil {
		return nil, err
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: tlsConfig(pool)}}, nil
}

// answers asks without a credential, which must be refused: a registry that
// lets everybody in is as broken as one that is not there.
func (c Cluster) answers(ctx context.Context, client *http.Client, r registry) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.registryAddress(r)+"/v2/", nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.name, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusUnauthorized || response.Header.Get("WWW-Authenticate") == "" {
		return fmt.Errorf("%s answers %s without a credential, and must refuse", r.name, response.Status)
	}
	return nil
}

// Registries tells of the registries in the order of their ports.
func (c Cluster) Registries() []state.Registry {
	var all []state.Registry
	for _, r := range registries {
		described := state.Registry{
			Address: c.registryAddress(r),
			Name:    net.JoinHostPort(registryNames[0], r.port),
			CA:      c.authority(),
			CAKey:   filepath.Join(c.secrets(), "ca.key"),
			Storage: c.path(r.storage()),
		}
		for i, user := range registryUsers {
			if file := passwordFile(c.secrets(), user.Name); i == 0 {
				described.Username, described.PasswordFile = user.Name, file
			} else {
				described.Others = append(described.Others, state.User{Username: user.Name, PasswordFile: file})
			}
		}
		all = append(all, described)
	}
	return all
}
