package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/sanitize"
)

type lsCmd struct {
	Format string `enum:"table,json" default:"table" help:"Output format (${enum})."`
}

// Run lists all builders, or the one that --builder names.
func (c *lsCmd) Run(in *invocation) error {
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
	list, err := builders.List{Definitions: definitions, Access: in.access(), Log: in.log}.Run(in.ctx)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		enc := json.NewEncoder(in.output(formatJSON))
		enc.SetIndent("", "  ")
		err = enc.Encode(list)
	} else {
		err = printBuilders(in.out, list)
	}
	if err != nil {
		return err
	}
	if broken != nil { // the others are listed; these must not go unseen
		return &usageError{err: broken}
	}
	return nil
}

// printBuilders prints a row for every builder and below it its nodes, as
// docker buildx ls does.
func printBuilders(w io.Writer, list []builders.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "NAME/NODE\tDRIVER/ENDPOINT\tSTATUS\tPODS\tBUILDKIT\tPLATFORMS")
	for _, b := range list {
		sanitize.Fprintf(t, "%s\t%s\t\t\t\t\n", b.Name, b.Driver)
		for _, n := range b.Nodes {
			sanitize.Fprintf(t, " \\_ %s\t%s\t%s\t%d/%d\t%s\t%s\n", n.Name, n.Endpoint, n.Status, n.Ready, n.Desired, n.BuildKit, strings.Join(n.Platforms, ", "))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, b := range list {
		for _, n := range b.Nodes {
			if n.Error != "" {
				if _, err := sanitize.Fprintf(w, "%s/%s: %s\n", b.Name, n.Name, n.Error); err != nil {
					return err
				}
			}
			for _, hint := range n.Hints {
				if _, err := sanitize.Fprintf(w, "hint: %s\n", hint); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
