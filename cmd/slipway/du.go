package main

import (
	"cmp"
	"io"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/cmd/slipway/cachetable"
)

// duCmd has the flags of docker buildx du, name for name.
type duCmd struct {
	Name    string        `arg:"" name:"builder" optional:"" help:"The builder (default: --builder, else the only one defined)."`
	Filter  []string      `sep:"none" placeholder:"NAME=VALUE" help:"Only records for which this holds: until=24h, type=regular, description~=words, shared, private, inuse, mutable, immutable, id, parents."`
	Verbose bool          `xor:"format" help:"Same as --format=pretty."`
	Format  string        `xor:"format" values:"table,pretty,json,json-list" placeholder:"FORMAT" help:"Output format: table (default), pretty, json (that of docker buildx, an object on each line), json-list (Slipway's own), or a Go template with docker buildx's fields."`
	Timeout time.Duration `default:"20s" help:"How long the builder may take to answer."`
}

// Help is shown by --help.
func (c *duCmd) Help() string {
	return "Each pod of each node has a cache of its own; all of them are asked. The columns are those of docker buildx du, and last the node and the pod."
}

// Run prints the records and what they come to.
func (c *duCmd) Run(in *invocation) error {
	show, err := c.printer()
	if err != nil {
		return err
	}
	filter, err := buildkit.ParseCacheFilter(c.Filter)
	if err != nil {
		return &usageError{err: err}
	}
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	definition, err := in.definition(cmp.Or(c.Name, in.global.Builder))
	if err != nil {
		return err
	}
	caches, failed := builders.DiskUsage{Definition: definition, Access: in.access(), Filter: filter, Timeout: c.Timeout, Log: in.log}.Run(in.ctx)
	if err := show(in.output(c.Format), caches, time.Now()); err != nil {
		return err
	}
	return failed
}

// printer picks the function that prints in the format.
func (c *duCmd) printer() (func(io.Writer, []builders.PodCache, time.Time) error, error) {
	chosen := c.Format
	if c.Verbose {
		chosen = "pretty"
	}
	// What a filter leaves says nothing of the whole.
	whole := len(c.Filter) == 0
	switch chosen {
	case "", "table":
		return func(w io.Writer, caches []builders.PodCache, now time.Time) error {
			return cachetable.Table(w, caches, whole, now)
		}, nil
	case "pretty":
		return func(w io.Writer, caches []builders.PodCache, now time.Time) error {
			for _, cache := range caches {
				for _, r := range cache.Records {
					if err := cachetable.Verbose(w, cache.Node, cache.Pod, r, now); err != nil {
						return err
					}
				}
			}
			return cachetable.Sums(w, caches, whole)
		}, nil
	case formatJSON:
		return cachetable.JSON, nil
	case formatJSONList:
		return cachetable.List, nil
	}
	template, err := parseFormat(c.Format, cachetable.Row{}, "table", "pretty", formatJSON, formatJSONList)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer, caches []builders.PodCache, now time.Time) error {
		return writeTemplate(w, template, cachetable.Headers, cachetable.Rows(caches, now, template.IsTable()))
	}, nil
}
