package main

import (
	"cmp"
	"fmt"

	"github.com/slipway-build/slipway/agent/builders"
)

type logsCmd struct {
	Name   string `arg:"" name:"builder" optional:"" help:"The builder (default: --builder, else the only one defined or the one that slipway use has selected)."`
	Follow bool   `short:"f" help:"Go on until the pods end."`
	Node   string `placeholder:"NAME" help:"Only this node of the builder."`
	Tail   *int64 `short:"n" placeholder:"N" help:"Only the last N lines of each pod (default: all)."`
}

// Help is shown by --help.
func (c *logsCmd) Help() string {
	return "Prints the log of buildkitd in all pods of the builder, each line with its pod's name in front."
}

// Run prints the logs.
func (c *logsCmd) Run(in *invocation) error {
	if c.Tail != nil && *c.Tail < 0 {
		return &usageError{err: fmt.Errorf("--tail %d: must not be negative", *c.Tail)}
	}
	definition, err := in.definition(cmp.Or(c.Name, in.global.Builder))
	if err != nil {
		return err
	}
	return builders.Logs{
		Definition: definition,
		Access:     in.access(),
		Node:       c.Node,
		Follow:     c.Follow,
		Tail:       c.Tail,
		Log:        in.log,
	}.Run(in.ctx, in.out)
}
