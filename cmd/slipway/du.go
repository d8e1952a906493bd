package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// duCmd has the flags of docker buildx du, name for name.
type duCmd struct {
	Name    string        `arg:"" name:"builder" optional:"" help:"The builder (default: --builder, else the only one defined or the one that slipway use has selected)."`
	Filter  []string      `sep:"none" placeholder:"NAME=VALUE" help:"Only records for which this holds: until=24h, type=regular, description~=words, shared, private, inuse, mutable, immutable, id, parents."`
	Verbose bool          `xor:"format" help:"Same as --format=pretty."`
	Format  string        `xor:"format" values:"table,pretty,json,json-list" placeholder:"FORMAT" help:"Output format: table (default), pretty, json (that of docker buildx, an object on each line), json-list (Slipway's own), or a Go template with docker buildx's fields."`
	Timeout time.Duration `default:"20s" help:"How long the builder may take to answer."`
}

// Help is shown by --help.
func (c *duCmd) Help() string {
	return "Each pod of each node has a cache of its own; all of them are asked. The columns are those of docker buildx du, and last the node and the pod. A * after an ID says that builds still write to the record, a * after a size that other records hold it as well."
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
			return printUsage(w, caches, whole, now)
		}, nil
	case "pretty":
		return func(w io.Writer, caches []builders.PodCache, now time.Time) error {
			for _, cache := range caches {
				for _, r := range cache.Records {
					if err := printRecord(w, cache.Node, cache.Pod, r, now); err != nil {
						return err
					}
				}
			}
			return printSums(w, caches, whole)
		}, nil
	case formatJSON:
		return printUsageJSON, nil
	case formatJSONList:
		return printUsageList, nil
	}
	template, err := parseFormat(c.Format, usageJSON{}, "table", "pretty", formatJSON, formatJSONList)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer, caches []builders.PodCache, now time.Time) error {
		return writeTemplate(w, template, usageHeaders, usageRows(caches, now, template.IsTable()))
	}, nil
}

// usageHeaders are above the columns of a table of usageJSON, as buildx has them.
var usageHeaders = map[string]string{
	"ID": "ID", "Parents": "PARENTS", "CreatedAt": "CREATED AT", "Mutable": "MUTABLE", "Reclaimable": "RECLAIMABLE",
	"Shared": "SHARED", "Size": "SIZE", "Description": "DESCRIPTION", "UsageCount": "USAGE COUNT",
	"LastUsedAt": "LAST ACCESSED", "Type": "TYPE", "Bytes": "BYTES", "Node": "NODE", "Pod": "POD",
}

func printUsage(out io.Writer, caches []builders.PodCache, whole bool, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, recordHeader)
	for _, cache := range caches {
		for _, r := range cache.Records {
			fmt.Fprintln(w, recordRow(cache.Node, cache.Pod, r, now))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printSums(out, caches, whole)
}

// recordHeader is over the columns of recordRow.
const recordHeader = "ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED\tNODE\tPOD"

func recordRow(node, pod string, r buildkit.CacheRecord, now time.Time) string {
	id, size := r.ID, units.HumanSize(float64(r.Size))
	if r.Mutable {
		id += "*"
	}
	if r.Shared {
		size += "*"
	}
	return sanitize.Sprintf("%s\t%v\t%s\t%s\t%s\t%s", id, !r.InUse, size, ago(r.LastUsedAt, now), node, pod)
}

// ago is empty for what never was.
func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	return units.HumanDuration(now.Sub(*t)) + " ago"
}

// printRecord prints all there is to a record, as docker buildx du --verbose
// does.
func printRecord(out io.Writer, node, pod string, r buildkit.CacheRecord, now time.Time) error {
	var b strings.Builder
	line := func(label string, value any) { sanitize.Fprintf(&b, "%-14s%v\n", label+":", value) }
	line("ID", r.ID)
	if len(r.Parents) > 0 {
		b.WriteString("Parents:\n")
		for _, parent := range r.Parents {
			sanitize.Fprintf(&b, " - %s\n", parent)
		}
	}
	line("Created at", r.CreatedAt)
	line("Mutable", r.Mutable)
	line("Reclaimable", !r.InUse)
	line("Shared", r.Shared)
	line("Size", units.HumanSize(float64(r.Size)))
	if r.Description != "" {
		line("Description", r.Description)
	}
	line("Usage count", r.UsageCount)
	if r.LastUsedAt != nil {
		line("Last used", ago(r.LastUsedAt, now))
	}
	if r.Type != "" {
		line("Type", r.Type)
	}
	line("Node", node)
	if pod != "" {
		line("Pod", pod)
	}
	b.WriteString("\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// usageJSON has the keys of docker buildx du --format=json, and more.
type usageJSON struct {
	ID          string
	Parents     []string
	CreatedAt   string
	Mutable     bool
	Reclaimable bool
	Shared      bool
	Size        string
	Description string
	UsageCount  int
	LastUsedAt  string
	Type        string
	// Bytes is Size as a number.
	Bytes int64
	Node  string
	Pod   string
}

// usageRows are the records as rows of a template. In a table, as in buildx's,
// what is mutable or shared has a star.
func usageRows(caches []builders.PodCache, now time.Time, table bool) []any {
	var rows []any
	for _, cache := range caches {
		for _, r := range cache.Records {
			row := usageJSON{
				ID:          r.ID,
				Parents:     r.Parents,
				CreatedAt:   r.CreatedAt.String(),
				Mutable:     r.Mutable,
				Reclaimable: !r.InUse,
				Shared:      r.Shared,
				Size:        units.HumanSize(float64(r.Size)),
				Description: r.Description,
				UsageCount:  r.UsageCount,
				LastUsedAt:  ago(r.LastUsedAt, now),
				Type:        r.Type,
				Bytes:       r.Size,
				Node:        cache.Node,
				Pod:         cache.Pod,
			}
			if table && r.Mutable {
				row.ID += "*"
			}
			if table && r.Shared {
				row.Size += "*"
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func printUsageJSON(w io.Writer, caches []builders.PodCache, now time.Time) error {
	for _, row := range usageRows(caches, now, false) {
		if err := format.JSONLine(w, row); err != nil {
			return err
		}
	}
	return nil
}

// cacheRecord is one record of a cache in Slipway's JSON.
type cacheRecord struct {
	// Node and Pod are where the record is; the driver remote has no pod.
	Node string `json:"node"`
	Pod  string `json:"pod,omitempty"`
	// ID and Type are those of BuildKit, Parents the IDs of records that it needs.
	ID      string   `json:"id"`
	Parents []string `json:"parents"`
	Type    string   `json:"type"`
	// Description is that of BuildKit, mostly the step that made the record.
	Description string `json:"description"`
	// CreatedAt is when it was made, LastUsedAt when it was last used; absent where
	// it was never used again. UsageCount is how often it was.
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty"`
	UsageCount int        `json:"usageCount"`
	// Size is in bytes; -1 where BuildKit does not know it.
	Size int64 `json:"size"`
	// Mutable is true for what builds still write to, Reclaimable for what can be
	// removed now, Shared for what other records hold as well.
	Mutable     bool `json:"mutable"`
	Reclaimable bool `json:"reclaimable"`
	Shared      bool `json:"shared"`
}

func printUsageList(w io.Writer, caches []builders.PodCache, _ time.Time) error {
	var all []cacheRecord
	for _, cache := range caches {
		for _, r := range cache.Records {
			all = append(all, cacheRecord{
				Node: cache.Node, Pod: cache.Pod, ID: r.ID, Parents: r.Parents, Type: r.Type, Description: r.Description,
				CreatedAt: r.CreatedAt, LastUsedAt: r.LastUsedAt, UsageCount: r.UsageCount, Size: r.Size,
				Mutable: r.Mutable, Reclaimable: !r.InUse, Shared: r.Shared,
			})
		}
	}
	return format.JSON(w, all)
}

// sums are what records come to, in bytes.
type sums struct{ total, reclaimable, shared int64 }

func sumOf(caches []builders.PodCache) sums {
	var s sums
	for _, cache := range caches {
		for _, r := range cache.Records {
			size := max(r.Size, 0) // BuildKit may not know it
			s.total += size
			if !r.InUse {
				s.reclaimable += size
			}
			if r.Shared {
				s.shared += size
			}
		}
	}
	return s
}

func printSums(out io.Writer, caches []builders.PodCache, whole bool) error {
	if !whole {
		return nil
	}
	s := sumOf(caches)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	if s.shared > 0 {
		sanitize.Fprintf(w, "Shared:\t%s\nPrivate:\t%s\n", units.HumanSize(float64(s.shared)), units.HumanSize(float64(s.total-s.shared)))
	}
	sanitize.Fprintf(w, "Reclaimable:\t%s\nTotal:\t%s\n", units.HumanSize(float64(s.reclaimable)), units.HumanSize(float64(s.total)))
	return w.Flush()
}
