// Package historyview prints builds of builders' histories, as docker buildx history
// does.
package historyview

import (
	"fmt"
	"io"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/table"
)

// Local is what docker buildx keeps of a build on the machine that built: the paths of
// its context and its Dockerfile. The zero Local is a build of elsewhere.
type Local struct{ Context, Dockerfile string }

// Find returns what is kept of a build here.
type Find func(builders.PodBuild) Local

// Headers are above the columns of a table of rows, as docker buildx has them.
var Headers = map[string]string{
	"Ref": "BUILD ID", "Name": "NAME", "Status": "STATUS", "CreatedAt": "CREATED AT", "Duration": "DURATION", "Link": "",
	"FullRef": "FULL REF", "Node": "NODE", "Pod": "POD",
}

// Row has the fields of docker buildx history ls --format, and the place of the build.
type Row struct {
	Ref       string
	FullRef   string
	Name      string
	Status    string
	CreatedAt string
	Duration  string
	// Link opens the build in Docker Desktop, where it is installed.
	Link string
	Node string
	Pod  string
}

// maxName is how much of a name a table shows.
const maxName = 36

// Rows are the builds as rows of a template. Cut shortens names to their end, as in
// docker buildx's table.
func Rows(list []builders.PodBuild, local Find, now time.Time, cut bool) []any {
	rows := make([]any, 0, len(list))
	for _, b := range list {
		rows = append(rows, rowOf(b, local(b), now, cut))
	}
	return rows
}

func rowOf(b builders.PodBuild, local Local, now time.Time, cut bool) Row {
	row := Row{
		Ref:       b.Ref,
		FullRef:   b.FullRef(),
		Name:      nameOf(b, local),
		Status:    status(b),
		CreatedAt: units.HumanDuration(now.Sub(b.CreatedAt)) + " ago",
		Link:      "docker-desktop://dashboard/build/" + b.FullRef(),
		Node:      b.Node,
		Pod:       b.Pod,
	}
	if r := []rune(row.Name); cut && len(r) > maxName {
		row.Name = ".." + string(r[len(r)-maxName+2:])
	}
	if took, known := b.Duration(); known {
		row.Duration = duration(took)
		if b.CompletedAt.IsZero() {
			row.Duration += "+"
		}
	}
	return row
}

// nameOf is the build's name; a URL in it loses its credentials.
func nameOf(b builders.PodBuild, local Local) string {
	return sanitize.RedactURLs(b.Name(local.Context, local.Dockerfile))
}

// status is docker buildx's word in a list.
func status(b builders.PodBuild) string {
	switch {
	case b.CompletedAt.IsZero():
		return "Running"
	case b.Failed:
		return "Error"
	}
	return "Completed"
}

func duration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm %2ds", int(d.Minutes()), int(d.Seconds())%60)
}

// Table prints builds as docker buildx history ls does, with node and pod; whole
// prints names in full.
func Table(out io.Writer, list []builders.PodBuild, local Find, whole bool, now time.Time) error {
	w := table.New(out, 3, 0)
	fmt.Fprintln(w, "BUILD ID\tNAME\tSTATUS\tCREATED AT\tDURATION\tNODE\tPOD")
	for _, b := range list {
		r := rowOf(b, local(b), now, !whole)
		sanitize.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Ref, r.Name, r.Status, r.CreatedAt, r.Duration, r.Node, r.Pod)
	}
	return w.Flush()
}

// Record is a build as docker buildx history ls --format=json has it, and its pod.
type Record struct {
	// CachedSteps and CompletedSteps count those of the steps.
	CachedSteps    int32 `json:"cached_steps"`
	CompletedSteps int32 `json:"completed_steps"`
	// CompletedAt is when the build ended, by the clock of its pod; absent while it
	// runs.
	CompletedAt *time.Time `json:"completed_at,omitempty"`
	// CreatedAt is when it began.
	CreatedAt time.Time `json:"created_at"`
	// Name is BUILDKIT_BUILD_NAME, else made of context, Dockerfile and target; it may
	// be empty.
	Name string `json:"name"`
	// Pod is where the build was; absent with the driver remote.
	Pod string `json:"pod,omitempty"`
	// Ref names the build as BUILDER/NODE/ID.
	Ref string `json:"ref"`
	// Status is Running, Completed or Error.
	Status string `json:"status"`
	// TotalSteps counts all steps.
	TotalSteps int32 `json:"total_steps"`
}

// JSON prints builds as docker buildx history ls --format=json does, an object on each
// line.
func JSON(w io.Writer, list []builders.PodBuild, local Find) error {
	for _, b := range list {
		record := Record{
			CachedSteps: b.CachedSteps, CompletedSteps: b.CompletedSteps, TotalSteps: b.TotalSteps,
			CreatedAt: b.CreatedAt, Name: nameOf(b, local(b)), Ref: b.FullRef(), Pod: b.Pod, Status: status(b),
		}
		if at := b.CompletedAt; !at.IsZero() {
			record.CompletedAt = &at
		}
		if err := format.JSONLine(w, record); err != nil {
			return err
		}
	}
	return nil
}
