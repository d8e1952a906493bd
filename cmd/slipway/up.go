package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
)

type upCmd struct {
	Name              string        `arg:"" name:"builder" optional:"" help:"The builder to start (default: --builder, else the only one defined or the one that slipway use has selected)."`
	RenewCertificates bool          `help:"Make new certificates for the builder's nodes now. Running pods and builds go on with the old ones."`
	Drift             driftFlag     `placeholder:"POLICY" env:"SLIPWAY_DRIFT" help:"What to do about a workload that is not as its definition says: apply, warn, fail or ignore (default: what the definition says, else apply)."`
	MinReady          int           `default:"1" placeholder:"N" help:"Wait until so many pods of each node are ready (default: ${default})."`
	Timeout           time.Duration `placeholder:"DURATION" help:"How long to wait for the nodes at most, such as 4m, where their definition has longer timeouts (default: what the definition says)."`
	timingFlags
	Progress string `default:"auto" env:"SLIPWAY_PROGRESS,BUILDKIT_PROGRESS" placeholder:"MODE" help:"Type of progress output (auto, plain, tty, rawjson, quiet, none)."`
}

// Help is shown by --help.
func (c *upCmd) Help() string {
	return "Creates what is missing of the builder's workloads, brings those up to date that are not as the definition says, waits until one pod of every node is ready, or --min-ready, and says what it waits for. An earlier stage of a pipeline can so start the builders for a later one."
}

// Run starts the builder.
func (c *upCmd) Run(in *invocation) error {
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		return &usageError{err: err}
	}
	if c.MinReady < 1 {
		return &usageError{err: fmt.Errorf("--min-ready %d: must be at least 1", c.MinReady)}
	}
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	definition, err := in.definition(cmp.Or(c.Name, in.global.Builder))
	if err != nil {
		return err
	}
	events, end := c.events(in)
	defer end()
	return builders.Up{
		Events:            events,
		Definition:        definition.WithDrift(configmap.Drift(c.Drift), configmap.DriftApply),
		Access:            in.access(),
		RenewCertificates: c.RenewCertificates,
		MinReady:          c.MinReady,
		Timeout:           c.Timeout,
		Terminal:          in.terminal,
		Mode:              mode,
		Log:               in.log,
	}.Run(in.ctx)
}
