package main

import (
	"os/exec"
	"runtime"

	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/configmap"
)

// places are where definitions are looked for.
func (in *invocation) places() configmap.Places {
	return configmap.Places{
		Explicit:     in.global.Definitions,
		Agent:        api.DefinitionsDir(in.global.Agent),
		BuildxConfig: in.env.BuildxConfig,
		DockerConfig: in.env.DockerConfig,
		Home:         in.env.Home,
	}
}

// load reads all definitions from the first place that has any.
func (in *invocation) load() (*configmap.Set, error) { return in.loadFrom(in.places()) }

func (in *invocation) loadFrom(places configmap.Places) (*configmap.Set, error) {
	path, err := configmap.Locate(places)
	if err != nil {
		return in.impliedSet(err)
	}
	in.fromAgent = path == places.Agent
	in.log.Debug().Str("path", path).Msg("definitions")
	set, err := configmap.Load(in.files, path)
	if err != nil && places.OfBuildx(path) { // buildx leaves an empty directory behind
		return in.impliedSet(err)
	}
	if err != nil {
		return nil, &usageError{err: err}
	}
	set.UseCacheDir(in.env.cacheDir())
	return set, nil
}

// impliedSet has the builder that is used where none is defined, none is named and no
// cluster is at hand. none says that none is defined, and is the error where there is
// no such builder, or where it is about something else.
func (in *invocation) impliedSet(none error) (*configmap.Set, error) {
	if !configmap.NoneFound(none) || in.global.Builder != "" || in.access().HasIdentity() {
		return nil, &usageError{err: none}
	}
	buildkitd, err := exec.LookPath("buildkitd")
	if err != nil || runtime.GOOS != "linux" {
		buildkitd = ""
	}
	set, why, err := configmap.Implied(in.env.BuildKitHost, buildkitd)
	if err != nil {
		return nil, &usageError{err: err}
	}
	if set == nil {
		return nil, &usageError{err: none}
	}
	set.UseCacheDir(in.env.cacheDir())
	in.implied = why
	return set, nil
}

// tellImplied says which builder is used where none is defined.
func (in *invocation) tellImplied() {
	if in.implied != "" {
		in.log.Info().Msg(in.implied)
	}
	in.implied = ""
}

// definition returns the definition of the named builder, of the only one if
// name is empty.
func (in *invocation) definition(name string) (configmap.Definition, error) {
	set, err := in.load()
	if err != nil {
		return configmap.Definition{}, err
	}
	d, err := set.Select(in.jobName(set, name))
	if err != nil {
		return configmap.Definition{}, &usageError{err: err}
	}
	in.tellImplied()
	for _, warning := range d.Warnings {
		in.log.Warn().Msg(warning)
	}
	return d, nil
}

// driftFlag is a policy's name, checked when flags are read.
type driftFlag configmap.Drift

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *driftFlag) UnmarshalText(text []byte) error {
	if len(text) == 0 { // pipelines pass variables that may be empty
		return nil
	}
	d, err := configmap.ParseDrift(string(text))
	*f = driftFlag(d)
	return err
}
