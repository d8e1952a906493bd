package main

import (
	"os"
	"time"

	"golang.org/x/term"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/cmd/slipway/lstable"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/format"
)

type lsCmd struct {
	Format  string        `default:"table" values:"table,json,json-list" placeholder:"FORMAT" help:"Output format: table, json (that of docker buildx, an object on each line), json-list (Slipway's own), or a Go template with docker buildx's fields."`
	NoTrunc bool          `help:"Print all platforms, and nothing shortened."`
	Timeout time.Duration `default:"20s" help:"How long a node may take to answer."`
}

// Help is shown by --help.
func (c *lsCmd) Help() string {
	return "Prints a row for every node: running, starting, failing (it will not start by itself), stopped (scaled to zero), absent (the next build makes it), forbidden (a right is missing) or unreachable. The builder with a * is taken where none is named; a status with a ! is that of a workload that is not as its definition says. Reasons stand below the table. The exit code is 3 when no node has answered."
}

// Run lists all builders, or the one that --builder names.
func (c *lsCmd) Run(in *invocation) error {
	template, err := parseFormat(c.Format, builders.BuildxRow{}, "table", formatJSON, formatJSONList)
	if err == nil {
		err = checkTimeout(c.Timeout)
	}
	if err != nil {
		return err
	}
	set, err := in.load()
	if err != nil {
		return err
	}
	in.tellImplied()
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
	for i := range list {
		list[i].Selected = list[i].Name == set.Selected()
	}
	switch c.Format {
	case formatJSONList:
		err = in.printJSON(list)
	case "table":
		err = lstable.Print(in.out, list, c.style(in))
	default:
		err = in.printAsBuildx(template, list, definitions)
	}
	if err != nil {
		return err
	}
	if broken != nil { // the others are listed; these must not go unseen
		return &usageError{err: broken}
	}
	return builders.Unanswered(list)
}

// printAsBuildx prints what docker buildx ls prints with a template, or an object
// on each line without one.
func (in *invocation) printAsBuildx(template *format.Template, list []builders.Status, definitions []configmap.Definition) error {
	var rows []any
	for i, status := range list {
		d := definitions[i]
		b := status.Buildx(d, in.driverOptions(d))
		if template != nil {
			rows = append(rows, b.Rows(template.IsTable())...)
		} else if err := format.JSONLine(in.json, b); err != nil {
			return err
		}
	}
	if template == nil {
		return nil
	}
	return writeTemplate(in.out, template, builders.BuildxHeaders, rows)
}

// style is that of standard output.
func (c *lsCmd) style(in *invocation) lstable.Style {
	s := lstable.Style{Whole: c.NoTrunc, Paint: in.painter()}
	if file, ok := in.data.(*os.File); ok && !s.Whole {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			s.Width = width
		}
	}
	return s
}
