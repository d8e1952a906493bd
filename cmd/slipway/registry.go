package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/atomicwriter"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/registry"
)

// registryClient speaks to registries with the given credentials, and with the
// certificates of the definitions and of docker's own directories. The
// insecure hosts are taken as they are.
func (in *invocation) registryClient(keychain registry.Keychain, insecure []string, definitions ...configmap.Definition) (*registry.Client, error) {
	hosts, err := agent.RegistryHosts(definitions...)
	if err != nil {
		return nil, err
	}
	for _, host := range insecure {
		hosts[host] = registry.Host{PlainHTTP: true, Insecure: true}
	}
	return registry.New(registry.Options{
		Keychain:  keychain,
		Hosts:     hosts,
		CertDirs:  registry.CertDirs(in.env.Home),
		Files:     in.files,
		UserAgent: "slipway/" + version,
		Log:       in.log,
	}), nil
}

// optionalDefinitions are those that a command without a builder learns of
// registries from: that of the named builder, else all there are.
func (in *invocation) optionalDefinitions() ([]configmap.Definition, error) {
	if in.global.Builder != "" {
		d, err := in.definition(in.global.Builder)
		return []configmap.Definition{d}, err
	}
	set, err := in.load()
	switch {
	case err != nil && in.global.Definitions != "":
		return nil, err
	case err != nil:
		in.log.Debug().Err(err).Msg("no definitions that say how registries are reached")
		return nil, nil
	}
	return set.Definitions(), nil
}

// checkFile fails when a file that a flag names could not be written later.
func checkFile(flag, path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s: %s is a directory", flag, path)
	}
	dir := filepath.Dir(path)
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: directory %s: %w", flag, dir, err)
	}
	return nil
}

// writeJSON writes a file whole or not at all.
func writeJSON(flag, path string, value any) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		err = atomicwriter.WriteFile(path, raw, 0o644)
	}
	if err != nil {
		return &usageError{err: fmt.Errorf("%s: %w", flag, err)}
	}
	return nil
}
