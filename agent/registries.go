package agent

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/remote"
)

// Where buildkitd finds its files in a pod, and the name of its
// configuration among them.
const (
	daemonDir    = "/etc/buildkit"
	daemonConfig = "buildkitd.toml"
)

// daemonRegistries is the part of buildkitd.toml that says how a registry is
// reached; see BuildKit's util/resolver/config.
type daemonRegistries struct {
	Registry map[string]struct {
		Mirrors   []string `toml:"mirrors"`
		PlainHTTP bool     `toml:"http"`
		Insecure  bool     `toml:"insecure"`
		CAs       []string `toml:"ca"`
		KeyPairs  []struct {
			Key         string `toml:"key"`
			Certificate string `toml:"cert"`
		} `toml:"keypair"`
	} `toml:"registry"`
}

// RegistryHosts says how the registries are reached that the nodes of
// definitions have in their buildkitd.toml: the agent pushes to them itself
// when several nodes have built one image. The authorities and client
// certificates are those of the definition's Files; what a toml names outside
// of them exists in the builder's pod only and is left out.
func RegistryHosts(definitions ...configmap.Definition) (remote.Hosts, error) {
	hosts := remote.Hosts{}
	for _, d := range definitions {
		for _, node := range d.Nodes {
			if err := nodeHosts(hosts, node); err != nil {
				return nil, fault.With(fault.ClassUsage, fmt.Errorf("builder %q: node %s: Files: %s: %w", d.Name, node.Name, daemonConfig, err))
			}
		}
	}
	return hosts, nil
}

// RegistryMirrors are the hosts that the nodes of a definition pull through, by
// their buildkitd.toml: builders ask for credentials for these, too.
func RegistryMirrors(d configmap.Definition) ([]string, error) {
	var hosts []string
	for _, node := range d.Nodes {
		config, err := readDaemonRegistries(node)
		if err != nil {
			return nil, fault.With(fault.ClassUsage, fmt.Errorf("builder %q: node %s: Files: %s: %w", d.Name, node.Name, daemonConfig, err))
		}
		for _, entry := range config.Registry {
			for _, mirror := range entry.Mirrors {
				// As BuildKit takes it: a host, with a path or a scheme.
				if _, rest, found := strings.Cut(mirror, "://"); found {
					mirror = rest
				}
				host, _, _ := strings.Cut(mirror, "/")
				hosts = append(hosts, host)
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// readDaemonRegistries reads the buildkitd.toml of a node; one that has none
// knows no registries.
func readDaemonRegistries(node configmap.Node) (daemonRegistries, error) {
	var config daemonRegistries
	raw, ok := node.Files[daemonConfig]
	if !ok {
		return config, nil
	}
	return config, toml.Unmarshal(raw, &config)
}

func nodeHosts(hosts remote.Hosts, node configmap.Node) error {
	config, err := readDaemonRegistries(node)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(config.Registry)) {
		if _, known := hosts[name]; known {
			continue // nodes share a registry; the first one says how
		}
		entry := config.Registry[name]
		host := remote.Host{PlainHTTP: entry.PlainHTTP, Insecure: entry.Insecure}
		for _, file := range entry.CAs {
			if ca, ok := daemonFile(node, file); ok {
				host.CAs = append(host.CAs, ca)
			}
		}
		for _, pair := range entry.KeyPairs {
			key, hasKey := daemonFile(node, pair.Key)
			certificate, hasCertificate := daemonFile(node, pair.Certificate)
			if hasKey && hasCertificate {
				host.KeyPairs = append(host.KeyPairs, remote.KeyPair{Cert: certificate, Key: key})
			}
		}
		hosts[name] = host
	}
	return nil
}

// daemonFile returns a file of the definition by its path in the pod.
func daemonFile(node configmap.Node, file string) ([]byte, bool) {
	if !path.IsAbs(file) {
		file = path.Join(daemonDir, file)
	}
	name, below := strings.CutPrefix(path.Clean(file), daemonDir+"/")
	if !below {
		return nil, false
	}
	content, ok := node.Files[name]
	return content, ok
}
