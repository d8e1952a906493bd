package registrytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// DockerConfig is a docker config.json with the users' credentials, by the
// hosts for which each is meant.
func DockerConfig(users map[string]state.User) (string, error) {
	type entry struct {
		Auth string `json:"auth"`
	}
	auths := map[string]entry{}
	for host, user := range users {
		auths[host] = entry{base64.StdEncoding.EncodeToString([]byte(user.Username + ":" + user.Password))}
	}
	text, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return "", fmt.Errorf("write a docker config: %w", err)
	}
	return string(text), nil
}

// DockerConfigFor is a docker config.json with the credential of the first user
// of each registry.
func DockerConfigFor(registries ...state.Registry) (string, error) {
	users := map[string]state.User{}
	for _, r := range registries {
		users[r.Address] = state.User{Username: r.Username, Password: r.Password}
	}
	return DockerConfig(users)
}

// caFile is where a builder has the registry's root certificate, and caKey its
// name among the files of a definition, which are put below /etc/buildkit.
const (
	caKey  = "certs/registry/ca.pem"
	caFile = "/etc/buildkit/" + caKey
)

// BuildkitdTOML is what a buildkitd.toml needs so that BuildKit trusts those
// hosts, addresses or names with their ports.
func BuildkitdTOML(hosts ...string) string {
	var out strings.Builder
	for _, host := range hosts {
		fmt.Fprintf(&out, "[registry.%q]\n  ca = [%q]\n", host, caFile)
	}
	return out.String()
}

// BuilderFiles are the files of a definition's node with which its builders
// trust the registries: buildkitd.toml and the root certificate.
func BuilderFiles(registries ...state.Registry) (map[string][]byte, error) {
	var hosts []string
	var ca []byte
	for _, r := range registries {
		hosts = append(hosts, r.Address)
		if r.Name != "" {
			hosts = append(hosts, r.Name)
		}
		text, err := os.ReadFile(r.CA)
		if err != nil {
			return nil, fmt.Errorf("read the registry's root certificate: %w", err)
		}
		if !strings.Contains(string(ca), string(text)) { // most often all have the same
			ca = append(ca, text...)
		}
	}
	return map[string][]byte{"buildkitd.toml": []byte(BuildkitdTOML(hosts...)), caKey: ca}, nil
}
