package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/remote"
)

// registryClient speaks to registries with the given credentials, and with the
// certificates of the definitions and of docker's own directories. The
// insecure hosts are taken as they are.
func (in *invocation) registryClient(keychain registry.Keychain, insecure []string, definitions ...configmap.Definition) (*remote.Client, error) {
	hosts, err := agent.RegistryHosts(definitions...)
	if err != nil {
		return nil, err
	}
	if in.fromAgent {
		if err := in.agentHosts(hosts); err != nil {
			return nil, err
		}
	}
	for host, trusted := range in.trusted {
		known := hosts[host]
		known.CAs, known.KeyPairs = append(known.CAs, trusted.CAs...), append(known.KeyPairs, trusted.KeyPairs...)
		hosts[host] = known
	}
	for _, host := range insecure {
		hosts[host] = remote.Host{PlainHTTP: true, Insecure: true}
	}
	return remote.New(remote.Options{
		Keychain:  keychain,
		Hosts:     hosts,
		CertDirs:  remote.CertDirs(in.env.Home),
		Files:     in.files,
		UserAgent: "slipway/" + version,
		WorkDir:   in.workdir,
		Log:       in.log,
	}), nil
}

// agentHosts adds how slipway agent says that registries are reached: its definitions
// have no buildkitd.toml that does.
func (in *invocation) agentHosts(hosts remote.Hosts) error {
	status, err := api.NewClient(in.global.Agent).Status(in.ctx)
	if err != nil {
		return fault.With(fault.ClassCluster, err)
	}
	for _, r := range status.Registries {
		host := remote.Host{PlainHTTP: r.PlainHTTP, Insecure: r.Insecure}
		for _, ca := range r.CAs {
			host.CAs = append(host.CAs, []byte(ca))
		}
		hosts[r.Host] = host
	}
	return nil
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

// openResult finds out where a file that a flag names goes, and fails when it
// could not be written later; nil when the flag is not given.
func (in *invocation) openResult(flag, path string) (*target.File, error) {
	if path == "" {
		return nil, nil
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("%s: directory %s: %w", flag, dir, bare(err))
	}
	file, err := target.Open(in.workdir, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &file, nil
}

// bare is a file error without the operation and the path, which the message
// around it names already.
func bare(err error) error {
	if known := (*fs.PathError)(nil); errors.As(err, &known) {
		return known.Err
	}
	return err
}

// writeMetadata writes what a build came to into the file of --metadata-file. A regular file appears whole or not at all.
func writeMetadata(ctx context.Context, file *target.File, value any) error {
	const flag = "--metadata-file"
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return writeResult(ctx, flag, file, raw)
}

// writeResult writes a result; nil is a flag that was not given.
func writeResult(ctx context.Context, flag string, file *target.File, data []byte) error {
	if file == nil {
		return nil
	}
	if err := file.Write(ctx, data, 0o644); err != nil {
		if ctx.Err() != nil {
			return fault.With(fault.ClassCancelled, err)
		}
		return &usageError{err: fmt.Errorf("%s: %w", flag, fault.ExplainAgent(err))}
	}
	return nil
}
