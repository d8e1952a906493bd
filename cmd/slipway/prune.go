package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/cmd/slipway/cachetable"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// pruneCmd has the flags of docker buildx prune, name for name.
type pruneCmd struct {
	Name          string        `arg:"" name:"builder" optional:"" help:"The builder (default: --builder, else the only one defined)."`
	All           bool          `short:"a" help:"Remove what frontends and BuildKit itself keep as well."`
	Filter        []string      `sep:"none" placeholder:"NAME=VALUE" help:"Only records for which this holds: until=24h, type=regular, description~=words, shared, private, inuse, mutable, immutable, id, parents."`
	Force         bool          `short:"f" help:"Do not ask."`
	ReservedSpace bytesValue    `aliases:"keep-storage" placeholder:"SIZE" help:"How much cache may always stay, in each pod."`
	MaxUsedSpace  bytesValue    `placeholder:"SIZE" help:"How much cache may stay at most, in each pod."`
	MinFreeSpace  bytesValue    `placeholder:"SIZE" help:"How much of the disk should be free afterwards."`
	Verbose       bool          `help:"Print all there is to each record."`
	Timeout       time.Duration `default:"20s" help:"How long a pod may take to answer. Removing may take longer."`
}

// bytesValue is a size in bytes, written as docker does: 10GB is 10 GiB.
type bytesValue int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *bytesValue) UnmarshalText(text []byte) error {
	size, err := units.RAMInBytes(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a size, for example 10GB", text)
	}
	*v = bytesValue(size)
	return nil
}

// Help is shown by --help.
func (c *pruneCmd) Help() string {
	return "Each pod of each node has a cache of its own; all of them are pruned. Builds that run keep what they use; later ones make again what they find gone. Without a terminal the answer is read from standard input, as with docker buildx prune."
}

// Run asks and removes.
func (c *pruneCmd) Run(in *invocation) error {
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
	if !c.Force {
		what := "all dangling build cache"
		if c.All {
			what = "all build cache"
		}
		if yes, err := in.confirmPiped(fmt.Sprintf("This will remove %s of builder %q, in all its pods. Are you sure?", what, definition.Name)); err != nil || !yes {
			return err
		}
	}
	list := removedList{out: in.out, verbose: c.Verbose}
	err = builders.Prune{
		Definition: definition,
		Access:     in.access(),
		What: buildkit.Prune{
			Filter:   filter,
			All:      c.All,
			Reserved: int64(c.ReservedSpace),
			MaxUsed:  int64(c.MaxUsedSpace),
			MinFree:  int64(c.MinFreeSpace),
		},
		Timeout: c.Timeout,
		Log:     in.log,
	}.Run(in.ctx, list.add)
	if printErr := list.close(); err == nil {
		err = printErr
	}
	return err
}

// removedList prints records as they go and remembers what they came to.
type removedList struct {
	out     io.Writer
	verbose bool
	rows    int
	total   int64
	err     error // the first of printing
}

func (l *removedList) add(node, pod string, r buildkit.CacheRecord) {
	l.total += max(r.Size, 0)
	if l.err != nil {
		return // what was asked for goes on
	}
	if l.verbose {
		l.err = cachetable.Verbose(l.out, node, pod, r, time.Now())
		return
	}
	if l.rows == 0 {
		l.row(cachetable.RecordHeader)
	}
	l.row(cachetable.RecordRow(node, pod, r, time.Now()))
	l.rows++
}

// rowWidths are those of the columns of cachetable.RecordRow, but for the last one: an ID of
// BuildKit has 25 characters. What follows is not known when a row is printed.
var rowWidths = []int{28, 14, 11, 18, 20}

// row prints a line at once: a long removal shows that it goes on.
func (l *removedList) row(text string) {
	var b strings.Builder
	for i, cell := range strings.Split(text, "\t") {
		b.WriteString(cell)
		if i < len(rowWidths) {
			b.WriteString(strings.Repeat(" ", max(rowWidths[i]-len(cell), 1)))
		}
	}
	if _, err := io.WriteString(l.out, strings.TrimRight(b.String(), " ")+"\n"); l.err == nil {
		l.err = err
	}
}

func (l *removedList) close() error {
	if l.err != nil {
		return l.err
	}
	_, err := sanitize.Fprintf(l.out, "Total:   %s\n", units.HumanSize(float64(l.total)))
	return err
}
