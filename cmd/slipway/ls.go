package main

import (
	"encoding/json"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/configmap"
)

type lsCmd struct {
	Format  string        `enum:"table,json" default:"table" help:"Output format (${enum})."`
	NoTrunc bool          `help:"Print all platforms, and nothing shortened."`
	Timeout time.Duration `default:"20s" help:"How long a node may take to answer."`
}

// Help is shown by --help.
func (c *lsCmd) Help() string {
	return "Prints a row for every node: running, starting, failing (it will not start by itself), stopped (scaled to zero), absent (the next build makes it), forbidden (a right is missing) or unreachable. A * says that the workload is not as its definition says. Reasons stand below the table. The exit code is 3 when no node has answered."
}

// Run lists all builders, or the one that --builder names.
func (c *lsCmd) Run(in *invocation) error {
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	set, err := in.load()
	if err != nil {
		return err
	}
	definitions, broken := set.Definitions(), set.Broken()
	if in.global.Builder != "" {
		one, err := set.Select(in.global.Builder)
		if err != nil {
			return &usageError{err: err}
		}
		definitions, broken = []configmap.Definition{one}, nil
	}
	list, err := builders.List{Definitions: definitions, Access: in.access(), Timeout: c.Timeout, Log: in.log}.Run(in.ctx)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		enc := json.NewEncoder(in.output(formatJSON))
		enc.SetIndent("", "  ")
		err = enc.Encode(list)
	} else {
		err = printBuilders(in.out, list, c.style(in))
	}
	if err != nil {
		return err
	}
	if broken != nil { // the others are listed; these must not go unseen
		return &usageError{err: broken}
	}
	return builders.Unanswered(list)
}
