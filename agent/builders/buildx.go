package builders

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/configmap"
)

// BuildxBuilder is a builder as docker buildx ls --format json prints it, an
// object on a line, and what templates of buildx ls and inspect work on. The keys
// and their order are buildx's
// (https://github.com/docker/buildx/blob/v0.37.2/builder/builder.go#L236).
type BuildxBuilder struct {
	Current bool
	Driver  string
	// Dynamic is false: the nodes are those of the definition, not its pods.
	Dynamic bool
	// LastActivity is the zero time where it is not known: ls does not ask the pods
	// for it, inspect does.
	LastActivity time.Time
	Name         string
	Nodes        []BuildxNode
}

// BuildxNode is a node as buildx prints it.
type BuildxNode struct {
	Name       string
	Endpoint   string
	Flags      []string          `json:",omitempty"`
	DriverOpts map[string]string `json:",omitempty"`
	// Status is running, starting, stopped, inactive (it does not exist yet) or
	// error.
	Status    string            `json:",omitempty"`
	Version   string            `json:",omitempty"`
	Err       string            `json:",omitempty"`
	Platforms []string          `json:",omitempty"`
	Labels    map[string]string `json:",omitempty"`

	// groups are the platforms as tables have them, a declared one with a star.
	groups []string
}

// BuildxRow is what a template of docker buildx ls works on: a builder, or a
// node below it
// (https://docs.docker.com/reference/cli/docker/buildx/ls/#format).
type BuildxRow struct {
	Name, DriverEndpoint, LastActivity, Status, Buildkit, Platforms, Error string
}

// BuildxHeaders are above the columns of a table of BuildxRow, as buildx has
// them.
var BuildxHeaders = map[string]string{
	"Name": "NAME/NODE", "DriverEndpoint": "DRIVER/ENDPOINT", "LastActivity": "LAST ACTIVITY",
	"Status": "STATUS", "Buildkit": "BUILDKIT", "Platforms": "PLATFORMS", "Error": "ERROR",
}

// Buildx returns the builder in buildx's form. The options are the nodes' driver
// options, by the nodes' names.
func (s Status) Buildx(d configmap.Definition, options map[string]map[string]string) BuildxBuilder {
	b := BuildxBuilder{Name: s.Name, Driver: s.Driver, Current: s.Selected, Nodes: make([]BuildxNode, len(s.Nodes))}
	for i, n := range s.Nodes {
		b.Nodes[i] = n.buildx(d.Nodes[i], options[n.Name])
	}
	return b
}

// Buildx returns the builder in buildx's form.
func (d Details) Buildx(of configmap.Definition, options map[string]map[string]string, current bool) BuildxBuilder {
	b := BuildxBuilder{Name: d.Name, Driver: d.Driver, Current: current, Nodes: make([]BuildxNode, len(d.Nodes))}
	if d.LastActivity != nil {
		b.LastActivity = *d.LastActivity
	}
	for i, n := range d.Nodes {
		b.Nodes[i] = n.buildx(of.Nodes[i], options[n.Name])
		b.Nodes[i].Labels = n.Labels
		if len(n.Reported) > 0 {
			b.Nodes[i].Platforms = n.Reported
		}
	}
	return b
}

func (n NodeStatus) buildx(of configmap.Node, options map[string]string) BuildxNode {
	out := BuildxNode{
		Name: n.Name, Endpoint: cmp.Or(of.Endpoint, n.Endpoint), Flags: of.Flags, DriverOpts: options,
		Status: string(n.Status.Buildx()), Version: n.BuildKit, Err: n.Error, Platforms: n.Platforms,
	}
	if n.Error != "" {
		out.Status = "error"
	}
	out.groups = slices.Clone(n.Platforms)
	if len(of.Platforms) > 0 {
		for i := range out.groups {
			out.groups[i] += "*"
		}
	}
	return out
}

// Buildx returns the word that docker buildx has for the state, which is another one
// for what does not exist yet
// (https://github.com/docker/buildx/blob/v0.38.2/driver/driver.go).
func (s NodeState) Buildx() NodeState {
	if s == StatusAbsent {
		return "inactive"
	}
	return s
}

// Rows are the builder and its nodes as rows of a template. In a table the
// selected builder has a star, and nodes are set in.
func (b BuildxBuilder) Rows(table bool) []any {
	row := BuildxRow{Name: b.Name, DriverEndpoint: b.Driver}
	if table && b.Current {
		row.Name += "*"
	}
	if !b.LastActivity.IsZero() {
		row.LastActivity = b.LastActivity.UTC().Format(time.RFC3339)
	}
	rows := []any{row}
	indent := ""
	if table {
		indent = ` \_ `
	}
	for _, n := range b.Nodes {
		rows = append(rows, BuildxRow{
			Name: indent + n.Name, DriverEndpoint: indent + n.Endpoint, Status: n.Status,
			Buildkit: n.Version, Platforms: strings.Join(n.groups, ", "), Error: n.Err,
		})
	}
	return rows
}
