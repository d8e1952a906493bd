package main

import (
	"cmp"
	"errors"

	"github.com/slipway-build/slipway/cmd/slipway/dockerinfo"
)

// useCmd has the flags of docker buildx use, name for name.
type useCmd struct {
	Name string `arg:"" name:"builder" optional:"" help:"The builder (default: --builder)."`

	Default bool `help:"Taken for docker buildx, which keeps a builder for each Docker engine; a selection holds for all."`
	Global  bool `help:"Taken for docker buildx as well; a selection is always global."`
}

// Help is shown by --help.
func (c *useCmd) Help() string {
	return "Selects the builder that commands take where several are defined and none is named. The selection is kept where docker buildx keeps it, in its own directory beside the definitions, and is the selected builder of buildx too. Definitions in other places, such as a mounted ConfigMap, have no selection: set SLIPWAY_BUILDER there."
}

// Run selects the builder.
func (c *useCmd) Run(in *invocation) error {
	name := cmp.Or(c.Name, in.global.Builder)
	if name == "" {
		return &usageError{err: errors.New("no builder is named"), hints: []string{"slipway ls lists them"}}
	}
	set, err := in.load()
	if err != nil {
		return err
	}
	if in.called.docker() && name == dockerinfo.DefaultContext && !set.Has(name) {
		in.log.Info().Msgf("there is no builder %s: the one of a Docker engine is not there, and builds go on to %s", name, cmp.Or(in.jobName(set, ""), set.Selected(), "the builder that is named"))
		return nil
	}
	d, err := set.Select(in.jobName(set, name))
	if err != nil {
		return &usageError{err: err}
	}
	return in.selectBuilder(set.Path(), d.Name)
}
