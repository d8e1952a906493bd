// Package detailview prints what is known of a builder.
package detailview

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Print prints the builder as docker buildx inspect does, so that
// scripts find the same labels, and below each node its pods.
func Print(out io.Writer, b builders.Details, d configmap.Definition, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	sanitize.Fprintf(w, "Name:\t%s\nDriver:\t%s\n", b.Name, b.Driver)
	if b.LastActivity != nil {
		sanitize.Fprintf(w, "Last Activity:\t%s\n", b.LastActivity.UTC())
	}
	fmt.Fprint(w, "\nNodes:\n")
	for i, n := range b.Nodes {
		if i > 0 {
			fmt.Fprintln(w)
		}
		printNode(w, n, d.Nodes[i], now)
	}
	pasted := ""
	for _, snippet := range b.Snippets() {
		pasted += "\nHint: " + sanitize.Indent(snippet, "  ") + "\n"
	}
	err := w.Flush()
	_, pasteErr := io.WriteString(out, pasted)
	return cmp.Or(err, pasteErr)
}

func printNode(w io.Writer, n builders.NodeDetails, defined configmap.Node, now time.Time) {
	sanitize.Fprintf(w, "Name:\t%s\nEndpoint:\t%s\n", n.Name, cmp.Or(n.Address, n.Endpoint))
	if len(n.DriverOpts) > 0 {
		options := make([]string, 0, len(n.DriverOpts))
		for _, name := range slices.Sorted(maps.Keys(n.DriverOpts)) {
			options = append(options, fmt.Sprintf("%s=%q", name, n.DriverOpts[name]))
		}
		sanitize.Fprintf(w, "Driver Options:\t%s\n", strings.Join(options, " "))
	}
	if n.Error != "" {
		sanitize.Fprintf(w, "Error:\t%s\n", n.Error)
	}
	printIf(w, "Reason", n.Reason)
	for _, hint := range n.Hints {
		if !fault.IsSnippet(hint) {
			sanitize.Fprintf(w, "Hint:\t%s\n", hint)
		}
	}
	sanitize.Fprintf(w, "Status:\t%s\n", n.Status)
	printIf(w, "BuildKit daemon flags", strings.Join(n.Flags, " "))
	printIf(w, "BuildKit version", n.BuildKit)
	declared := n.Platforms
	if len(defined.Platforms) == 0 {
		declared = nil
	}
	printIf(w, "Platforms", strings.Join(inGroups(declared, n.Reported), ", "))
	if n.Workload != "" {
		sanitize.Fprintf(w, "Workload:\t%s %s, %d of %d ready\n", strings.ToLower(n.Workload), n.Endpoint, n.Ready, n.Desired)
	}
	for _, line := range n.Drift {
		sanitize.Fprintf(w, "Drift:\t%s\n", line)
	}
	if n.DriftPartial != "" {
		sanitize.Fprintf(w, "Drift:\tcannot be compared fully %s\n", n.DriftPartial)
	}
	if n.Certificates != nil {
		sanitize.Fprintf(w, "Certificates:\tuntil %s (%s)\n", n.Certificates.UTC().Format(time.RFC3339), until(*n.Certificates, now))
	}
	if len(n.Labels) > 0 {
		fmt.Fprintln(w, "Labels:")
		for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
			sanitize.Fprintf(w, "\t%s:\t%s\n", name, n.Labels[name])
		}
	}
	for i, rule := range n.GC {
		printRule(w, i, rule)
	}
	for _, pod := range n.Pods {
		printPod(w, pod, now)
	}
	for _, name := range slices.Sorted(maps.Keys(defined.Files)) {
		sanitize.Fprintf(w, "File#%s:\n", name)
		content := string(defined.Files[name])
		if strings.HasSuffix(name, ".key") || strings.Contains(content, "PRIVATE KEY-----") {
			content = "(a private key, not shown)"
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(content, "\n"), "\n") {
			sanitize.Fprintf(w, "\t> %s\n", line)
		}
	}
}

// inGroups marks the platforms that the definition declares with a star, before
// those that buildkitd reports beyond them.
func inGroups(declared, reported []string) []string {
	out := make([]string, 0, len(declared)+len(reported))
	for _, p := range declared {
		out = append(out, p+"*")
	}
	for _, p := range reported {
		if !slices.Contains(declared, p) {
			out = append(out, p)
		}
	}
	return out
}

func printIf(w io.Writer, label, value string) {
	if value != "" {
		sanitize.Fprintf(w, "%s:\t%s\n", label, value)
	}
}

func printRule(w io.Writer, i int, r builders.GCRule) {
	sanitize.Fprintf(w, "GC Policy rule#%d:\n\tAll:\t%v\n", i, r.All)
	if len(r.Filters) > 0 {
		sanitize.Fprintf(w, "\tFilters:\t%s\n", strings.Join(r.Filters, " "))
	}
	if r.KeepDuration > 0 {
		sanitize.Fprintf(w, "\tKeep Duration:\t%v\n", time.Duration(r.KeepDuration))
	}
	for _, bound := range []struct {
		label string
		bytes int64
	}{{"Reserved Space", r.ReservedSpace}, {"Max Used Space", r.MaxUsedSpace}, {"Min Free Space", r.MinFreeSpace}} {
		if bound.bytes > 0 {
			sanitize.Fprintf(w, "\t%s:\t%s\n", bound.label, units.BytesSize(float64(bound.bytes)))
		}
	}
}

func printPod(w io.Writer, p builders.PodDetails, now time.Time) {
	if p.Name == "" {
		fmt.Fprintln(w, "Daemon:")
	} else {
		sanitize.Fprintf(w, "Pod#%s:\n", p.Name)
	}
	line := func(label, value string) {
		if value != "" {
			sanitize.Fprintf(w, "\t%s:\t%s\n", label, value)
		}
	}
	line("Status", p.Status)
	line("Reason", p.Reason)
	line("Cluster node", p.ClusterNode)
	if p.Created != nil && !p.Created.IsZero() {
		line("Age", units.HumanDuration(now.Sub(*p.Created)))
	}
	line("Profile", p.Profile)
	line("Transport", p.Transport)
	line("BuildKit version", p.BuildKit)
	if p.BuildKit != "" {
		line("Cache", fmt.Sprintf("%s in %d records", units.HumanSize(float64(p.CacheSize)), p.CacheRecords))
		line("Active builds", fmt.Sprint(p.ActiveBuilds))
	}
}

// until says how long it is to a time, which may be over.
func until(end, now time.Time) string {
	if left := end.Sub(now); left > 0 {
		return "in " + units.HumanDuration(left)
	}
	return "expired"
}
