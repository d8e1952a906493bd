// Package cachetable prints the records of builders' caches, as docker buildx du
// does and as Slipway's own JSON.
package cachetable

import (
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

// Headers are above the columns of a table of rows, as buildx has them.
var Headers = map[string]string{
	"ID": "ID", "Parents": "PARENTS", "CreatedAt": "CREATED AT", "Mutable": "MUTABLE", "Reclaimable": "RECLAIMABLE",
	"Shared": "SHARED", "Size": "SIZE", "Description": "DESCRIPTION", "UsageCount": "USAGE COUNT",
	"LastUsedAt": "LAST ACCESSED", "Type": "TYPE", "Bytes": "BYTES", "Node": "NODE", "Pod": "POD",
}

// Table prints records as docker buildx du does, with node and pod; whole says that
// they are all there are.
func Table(out io.Writer, caches []builders.PodCache, whole bool, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, RecordHeader)
	for _, cache := range caches {
		for _, r := range cache.Records {
			fmt.Fprintln(w, RecordRow(cache.Node, cache.Pod, r, now))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return Sums(out, caches, whole)
}

// RecordHeader is above the columns of RecordRow.
const RecordHeader = "ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED\tNODE\tPOD"

// RecordRow is a record with tabs between its cells.
func RecordRow(node, pod string, r buildkit.CacheRecord, now time.Time) string {
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

// Verbose prints all there is to a record, as docker buildx du --verbose
// does.
func Verbose(out io.Writer, node, pod string, r buildkit.CacheRecord, now time.Time) error {
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

// Row has the keys of docker buildx du --format=json, and more.
type Row struct {
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

// Rows are the records as rows of a template. In a table, as in buildx's,
// what is mutable or shared has a star.
func Rows(caches []builders.PodCache, now time.Time, table bool) []any {
	var rows []any
	for _, cache := range caches {
		for _, r := range cache.Records {
			row := Row{
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

// JSON prints records as docker buildx du --format=json does, an object on each
// line.
func JSON(w io.Writer, caches []builders.PodCache, now time.Time) error {
	for _, row := range Rows(caches, now, false) {
		if err := format.JSONLine(w, row); err != nil {
			return err
		}
	}
	return nil
}

// Record is one record of a cache in Slipway's JSON.
type Record struct {
	Node string `json:"node"`
	// Pod is not there with the driver remote.
	Pod     string   `json:"pod,omitempty"`
	ID      string   `json:"id"`
	Parents []string `json:"parents"`
	Type    string   `json:"type"`
	// Description is BuildKit's, mostly the step that made the record.
	Description string    `json:"description"`
	CreatedAt   time.Time `json:"createdAt"`
	// LastUsedAt is not there where the record was never used again.
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

// List prints records in Slipway's own JSON.
func List(w io.Writer, caches []builders.PodCache, _ time.Time) error {
	var all []Record
	for _, cache := range caches {
		for _, r := range cache.Records {
			all = append(all, Record{
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

// Sums prints what records come to, where they are all there are.
func Sums(out io.Writer, caches []builders.PodCache, whole bool) error {
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
