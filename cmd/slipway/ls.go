package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/sanitize"
)

type lsCmd struct {
	Format string `default:"table" values:"table,json,json-list" placeholder:"FORMAT" help:"Output format: table, json (that of docker buildx, an object on each line), json-list (Slipway's own), or a Go template with docker buildx's fields."`
}

// Run lists all builders, or the one that --builder names.
func (c *lsCmd) Run(in *invocation) error {
	template, err := parseFormat(c.Format, builders.BuildxRow{}, "table", formatJSON, formatJSONList)
	if err != nil {
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
	list, err := builders.List{Definitions: definitions, Access: in.access(), Log: in.log}.Run(in.ctx)
	if err != nil {
		return err
	}
	switch c.Format {
	case formatJSONList:
		err = in.printJSON(list)
	case "table":
		err = printBuilders(in.out, list)
	default:
		err = in.printAsBuildx(template, list, definitions, set.Selected())
	}
	if err != nil {
		return err
	}
	if broken != nil { // the others are listed; these must not go unseen
		return &usageError{err: broken}
	}
	return nil
}

// printAsBuildx prints what docker buildx ls prints with a template, or an object
// on each line without one.
func (in *invocation) printAsBuildx(template *format.Template, list []builders.Status, definitions []configmap.Definition, selected string) error {
	var rows []any
	for i, status := range list {
		d := definitions[i]
		b := status.Buildx(d, in.driverOptions(d), d.Name == selected)
		if template != nil {
			rows = append(rows, b.Rows(template.IsTable())...)
		} else if err := format.JSONLine(in.json, b); err != nil {
			return err
		}
	}
	if template == nil {
		return nil
	}
	return template.Write(in.out, builders.BuildxHeaders, rows)
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
