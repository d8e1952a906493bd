package main

import "cmp"

// stopCmd is docker buildx stop.
type stopCmd struct {
	Name string `arg:"" name:"builder" optional:"" help:"The builder (default: --builder, else the only one defined or the one that slipway use has selected)."`
}

// Help is shown by --help.
func (c *stopCmd) Help() string {
	return "Takes the place of docker buildx stop in scripts, and stops nothing, as buildx does not in Kubernetes: others may build there. slipway gc puts builders to sleep that nobody uses, slipway rm removes them."
}

// Run finds the builder, whose absence is an error, and leaves it running.
func (c *stopCmd) Run(in *invocation) error {
	d, err := in.definition(cmp.Or(c.Name, in.global.Builder))
	if err != nil {
		return err
	}
	in.log.Info().Msgf("builder %s goes on, for whoever else uses it; slipway gc puts builders to sleep that are idle", d.Name)
	return nil
}
