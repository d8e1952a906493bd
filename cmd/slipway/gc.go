package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/sanitize"
)

type gcCmd struct {
	Names        []string      `arg:"" name:"builder" optional:"" help:"The builders (default: --builder, else all that are defined)."`
	DryRun       bool          `help:"Change nothing, and say what would be done."`
	OlderThan    time.Duration `default:"24h" help:"How long ago what is left over must have been made and last used."`
	DeleteClaims bool          `help:"Remove the persistent claims with the caches of what is left over as well."`
	Owner        []string      `sep:"none" placeholder:"NAME" help:"One more owner to clean up for, besides those of the builders."`
	Timeout      time.Duration `default:"1m" help:"How long each workload may take."`
	Format       string        `enum:"table,json" default:"table" help:"Output format (${enum})."`
}

// Help is shown by --help.
func (c *gcCmd) Help() string {
	return "Scales builders to zero that have an idleTimeout in their definition and no build for so long; the next build wakes them. Removes workloads that bear the owner of a definition and that no definition names any more. What others made is never touched, nor what runs a build. It is meant to run on a schedule."
}

// Run does it once. All definitions are needed, and whole: what a broken one
// names would look left over.
func (c *gcCmd) Run(in *invocation) error {
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	if c.OlderThan < 0 {
		return &usageError{err: fmt.Errorf("--older-than %s: must not be negative", c.OlderThan)}
	}
	for _, owner := range c.Owner {
		if err := configmap.CheckOwner(owner); err != nil {
			return &usageError{err: fmt.Errorf("--owner %q: %w", owner, err), hints: []string{"it is what a definition has as owner below Slipway"}}
		}
	}
	set, err := in.load()
	if err != nil {
		return err
	}
	if broken := set.Broken(); broken != nil {
		return &usageError{err: broken}
	}
	chosen, err := c.chosen(in, set)
	if err != nil {
		return err
	}
	done, err := builders.Collect{
		Known:     set.Definitions(),
		Chosen:    chosen,
		Owners:    c.Owner,
		OlderThan: c.OlderThan,
		Claims:    c.DeleteClaims,
		DryRun:    c.DryRun,
		Timeout:   c.Timeout,
		Access:    in.access(),
		Log:       in.log,
	}.Run(in.ctx)
	if done == nil {
		return err
	}
	if printErr := c.print(in.output(c.Format), done); err == nil {
		err = printErr
	}
	return err
}

// chosen are the builders that are named, or all of them.
func (c *gcCmd) chosen(in *invocation, set *configmap.Set) ([]configmap.Definition, error) {
	names := c.Names
	if len(names) == 0 && in.global.Builder != "" {
		names = []string{in.global.Builder}
	}
	if len(names) == 0 {
		return set.Definitions(), nil
	}
	var all []configmap.Definition
	for _, name := range names {
		d, err := set.Select(name)
		if err != nil {
			return nil, &usageError{err: err}
		}
		all = append(all, d)
	}
	return all, nil
}

// collectedJSON is a workload in JSON: with the words of the table.
type collectedJSON struct {
	builders.Collected
	// Result says what was done, or would be, as the table does.
	Result string `json:"result"`
}

func (c *gcCmd) print(w io.Writer, done []builders.Collected) error {
	if c.Format == formatJSON {
		all := make([]collectedJSON, len(done))
		for i, one := range done {
			all[i] = collectedJSON{one, outcome(one)}
		}
		return format.JSON(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "WORKLOAD\tNODE\tRESULT\tWHY")
	for _, one := range done {
		node := "-"
		if one.Builder != "" {
			node = one.Builder + "/" + one.Node
		}
		sanitize.Fprintf(t, "%s/%s\t%s\t%s\t%s\n", one.Namespace, one.Name, node, outcome(one), strings.Join(append([]string{one.Reason}, one.Kept...), "; "))
	}
	return t.Flush()
}

// outcome is what was done with a workload, or would be.
func outcome(one builders.Collected) string {
	words := map[builders.CollectAction]string{
		builders.CollectLeft:    "left",
		builders.CollectScaled:  "scaled to zero",
		builders.CollectRemoved: "removed",
		builders.CollectFailed:  "failed",
	}[one.Action]
	if one.DryRun && one.Action != builders.CollectFailed {
		return "would be " + words
	}
	return words
}
