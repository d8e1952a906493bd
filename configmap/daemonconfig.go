package configmap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"github.com/pelletier/go-toml/v2"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

const (
	daemonConfigDir  = "/etc/buildkit"
	daemonConfigFile = "buildkitd.toml"
)

// DaemonConfig is a configuration file of buildkitd with the files it names.
type DaemonConfig struct {
	// Files are what goes into a definition: buildkitd.toml, and the
	// certificates and keys of registries below certs/.
	Files map[string][]byte
	// PrivateKeys are the paths of the files among them that hold one, on
	// this machine.
	PrivateKeys []string
	// Entitlements are the insecure entitlements that the file allows.
	Entitlements []string
}

// daemonSettings is the part of buildkitd.toml that is looked at. See
// BuildKit's cmd/buildkitd/config.
type daemonSettings struct {
	Entitlements []string                    `toml:"insecure-entitlements"`
	Registries   map[string]registrySettings `toml:"registry"`
}

type registrySettings struct {
	CAs      []string `toml:"ca"`
	KeyPairs []struct {
		Key         string `toml:"key"`
		Certificate string `toml:"cert"`
	} `toml:"keypair"`
}

// certsDirRule is buildx's: what else stands in a registry's name, such as the
// colon before its port, must not stand in a mount path.
var certsDirRule = regexp.MustCompile(`[^a-zA-Z0-9.-]+`)

// ReadDaemonConfig reads a configuration file of buildkitd and the files that
// its registries name, and has it name them by their paths in the pod. A file
// that names none stays as it is, comments included. All problems come at
// once, as a fault.List.
func ReadDaemonConfig(files *source.Reader, file string) (*DaemonConfig, error) {
	text, err := readFile(files, file)
	if err != nil {
		return nil, fault.List{daemonConfigError(file, "cannot be read: %v", reason(err))}
	}
	var settings daemonSettings
	var tree map[string]any
	if err := errors.Join(toml.Unmarshal(text, &settings), toml.Unmarshal(text, &tree)); err != nil {
		return nil, fault.List{daemonConfigError(file, "is not a configuration of buildkitd: %s", tomlReason(err))}
	}
	e := embedding{files: files, file: file, config: &DaemonConfig{Files: make(map[string][]byte), Entitlements: settings.Entitlements}, sources: make(map[string]string)}
	registries, _ := tree["registry"].(map[string]any)
	for _, host := range keysOf(settings.Registries) {
		if table, ok := registries[host].(map[string]any); ok {
			e.registry(host, settings.Registries[host], table)
		}
	}
	if len(e.sources) > 0 && len(e.problems) == 0 {
		if text, err = toml.Marshal(tree); err != nil {
			return nil, fmt.Errorf("write %s: %w", daemonConfigFile, err)
		}
	}
	e.config.Files[daemonConfigFile] = text
	return e.config, e.problems.Err()
}

// embedding is the work on one configuration file.
type embedding struct {
	files    *source.Reader
	file     string
	config   *DaemonConfig
	sources  map[string]string // path in the pod -> on this machine
	problems fault.List
}

func (e *embedding) registry(host string, settings registrySettings, table map[string]any) {
	dir := path.Join("certs", certsDirRule.ReplaceAllString(host, "_"))
	if len(settings.CAs) > 0 {
		authorities := make([]string, len(settings.CAs))
		for i, ca := range settings.CAs {
			authorities[i] = e.take(host, dir, ca)
		}
		table["ca"] = authorities
	}
	if len(settings.KeyPairs) > 0 {
		pairs := make([]map[string]string, len(settings.KeyPairs))
		for i, pair := range settings.KeyPairs {
			pairs[i] = make(map[string]string)
			if pair.Key != "" {
				pairs[i]["key"] = e.take(host, dir, pair.Key)
			}
			if pair.Certificate != "" {
				pairs[i]["cert"] = e.take(host, dir, pair.Certificate)
			}
		}
		table["keypair"] = pairs
	}
}

// take embeds a file and returns its path in the pod.
func (e *embedding) take(host, dir, local string) string {
	key := path.Join(dir, filepath.Base(local))
	if other, taken := e.sources[key]; taken && other != local {
		// buildx lets the last one win.
		e.problems = append(e.problems, daemonConfigError(e.file, "%s and %s of registry %s would both become %s: rename one", other, local, host, key))
		return ""
	} else if taken {
		return path.Join(daemonConfigDir, key)
	}
	e.sources[key] = local
	content, err := readFile(e.files, local)
	if errors.Is(err, os.ErrNotExist) && filepath.IsAbs(local) && path.Dir(local) == path.Join(daemonConfigDir, dir) {
		err = fmt.Errorf("%w (it is a path in the pod: give a path on this machine)", reason(err))
	}
	if err != nil {
		e.problems = append(e.problems, daemonConfigError(e.file, "%s of registry %s cannot be read: %v", local, host, reason(err)))
		return ""
	}
	e.config.Files[key] = content
	if bytes.Contains(content, []byte("PRIVATE KEY-----")) {
		e.config.PrivateKeys = append(e.config.PrivateKeys, local)
	}
	return path.Join(daemonConfigDir, key)
}

func daemonConfigError(file, format string, args ...any) error {
	return &fault.Usage{Flag: "--buildkitd-config", Value: file, Problem: fmt.Sprintf(format, args...)}
}

// tomlReason adds the place to the message, which says none.
func tomlReason(err error) string {
	if known := (*toml.DecodeError)(nil); errors.As(err, &known) {
		row, column := known.Position()
		return fmt.Sprintf("line %d, column %d: %v", row, column, known)
	}
	return err.Error()
}
