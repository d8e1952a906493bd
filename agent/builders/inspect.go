package builders

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/localdaemon"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Details is a builder as `slipway inspect` shows it. The JSON keys are
// an interface to scripts; those of `slipway ls` mean the same.
type Details struct {
	// Name is the name of the builder.
	Name string `json:"name"`
	// Driver is kubernetes, remote or local.
	Driver string `json:"driver"`
	// File is the file of the definition.
	File string `json:"file"`
	// Nodes are in the order of the definition.
	Nodes []NodeDetails `json:"nodes"`
	// LastActivity is the latest of the pods'; absent where none is known.
	LastActivity *time.Time `json:"lastActivity,omitempty"`
}

// NodeDetails is one node.
type NodeDetails struct {
	NodeStatus
	// Address is the endpoint as the definition has it.
	Address string `json:"address,omitempty"`
	// DriverOpts are the definition's, without what looks like a secret. Whoever
	// reads the definition sets them.
	DriverOpts map[string]string `json:"driverOpts"`
	// Flags are the definition's for buildkitd.
	Flags []string `json:"flags"`
	// Files are the names of the definition's files for buildkitd.
	Files []string `json:"files"`
	// Reported are the platforms that buildkitd reports, also where the
	// definition declares others.
	Reported []string `json:"reportedPlatforms"`
	// Labels and GC are those that the first pod reports that answers: the labels of
	// its buildkitd, and its rules for removing cache.
	Labels map[string]string `json:"labels"`
	GC     []GCRule          `json:"gcPolicy"`
	// Workload is Deployment or StatefulSet, absent with the remote driver; Managed is
	// true where Slipway made it.
	Workload string `json:"workload,omitempty"`
	Managed  bool   `json:"managed"`
	// Drift is in what the workload is not as the definition says, a line for
	// each field; absent where that is not known.
	Drift []string `json:"drift,omitzero"`
	// DriftPartial says why not all was compared, as in "without the right to
	// update deployments": more may differ then. It is absent where all was.
	DriftPartial string `json:"driftPartial,omitempty"`
	// Certificates is when the node's certificates end; absent where it needs none.
	Certificates *time.Time `json:"certificatesExpire,omitempty"`
	// Pods are sorted by name. A remote node has one without a name.
	Pods []PodDetails `json:"pods"`
}

// Snippets are the hints of all nodes that are to paste, each once.
func (d Details) Snippets() []string {
	var all []string
	for _, n := range d.Nodes {
		for _, hint := range n.Hints {
			if fault.IsSnippet(hint) && !slices.Contains(all, hint) {
				all = append(all, hint)
			}
		}
	}
	return all
}

// GCRule is one of buildkitd's rules for removing cache. Sizes are in bytes; 0
// is no bound.
type GCRule struct {
	// All is true where the rule is for all records, internal ones too.
	All bool `json:"all"`
	// Filters say for which records the rule is; none is for all.
	Filters []string `json:"filters"`
	// KeepDuration is how long a record stays after its last use.
	KeepDuration Seconds `json:"keepDuration,omitempty"`
	// ReservedSpace is kept, MaxUsedSpace is never exceeded, and MinFreeSpace is left
	// free on the disk; in bytes.
	ReservedSpace int64 `json:"reservedSpace,omitempty"`
	MaxUsedSpace  int64 `json:"maxUsedSpace,omitempty"`
	MinFreeSpace  int64 `json:"minFreeSpace,omitempty"`
}

// Seconds is a duration that JSON has as a number of seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// podUnreachable is the status of a pod that should answer and does not.
const podUnreachable = "unreachable"

// PodDetails is one pod of a node.
type PodDetails struct {
	// Name is absent with the remote driver.
	Name string `json:"name,omitempty"`
	// Status is "ready", "terminating", "unreachable", or the phase that Kubernetes
	// has: "pending", "running" (but not ready), "succeeded", "failed" or "unknown".
	Status string `json:"status"`
	// ClusterNode is where the pod runs; absent as long as it has no place.
	ClusterNode string `json:"clusterNode,omitempty"`
	// Created is when the pod was made.
	Created *time.Time `json:"created,omitempty"`
	// Profile is what keeps builds from the cluster node, as in "user-namespace".
	Profile string `json:"profile,omitempty"`
	// Transport is how the pod was reached; absent unless it has answered.
	Transport string `json:"transport,omitempty"`
	// BuildKit is the version of buildkitd; absent unless it has answered.
	BuildKit string `json:"buildkit,omitempty"`
	// CacheSize is in bytes, CacheRecords counts what makes it up.
	CacheSize    int64 `json:"cacheSize"`
	CacheRecords int   `json:"cacheRecords"`
	// ActiveBuilds counts the builds that run there now.
	ActiveBuilds int `json:"activeBuilds"`
	// LastActivity is when a build last ended there, or began if it still runs; absent
	// where the history holds none.
	LastActivity *time.Time `json:"lastActivity,omitempty"`
	// Reason says what it waits for or why it does not answer.
	Reason string `json:"reason,omitempty"`
}

// Inspect looks closely at one builder and changes nothing.
type Inspect struct {
	Definition configmap.Definition
	Access     cluster.Access
	// Timeout bounds what one node may take; zero is no bound.
	Timeout time.Duration
	Log     zerolog.Logger
}

// Run returns what there is. What cannot be reached is a status, not an error.
func (i Inspect) Run(ctx context.Context) (Details, error) {
	return i.run(ctx, newInspector(i.Access, i.Log))
}

func (i Inspect) run(ctx context.Context, nodes inspector) (Details, error) {
	d := i.Definition
	out := Details{Name: d.Name, Driver: d.Driver, File: d.File, Nodes: make([]NodeDetails, len(d.Nodes))}
	var group errgroup.Group
	group.SetLimit(fleet.MaxParallel)
	for n, node := range d.Nodes {
		group.Go(fault.Guard(func() error {
			ctx, cancel := within(ctx, i.Timeout)
			defer cancel()
			out.Nodes[n] = nodes.details(ctx, node)
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return out, err
	}
	if ctx.Err() != nil {
		return out, fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	for _, n := range out.Nodes {
		for _, pod := range n.Pods {
			if at := pod.LastActivity; at != nil && (out.LastActivity == nil || at.After(*out.LastActivity)) {
				out.LastActivity = at
			}
		}
	}
	return out, nil
}

func (c inspector) details(ctx context.Context, node configmap.Node) NodeDetails {
	n := NodeDetails{
		NodeStatus: NodeStatus{Name: node.Name, Platforms: fleet.FormatPlatforms(node.Platforms)},
		Address:    node.Endpoint,
		Flags:      node.Flags,
		Files:      slices.Sorted(maps.Keys(node.Files)),
	}
	examine := c.examinePods
	if node.Remote != nil {
		examine = c.examineRemote
	}
	if err := examine(ctx, node, &n); err != nil {
		n.fail(err)
	}
	if len(n.Platforms) == 0 {
		n.Platforms = n.Reported
	}
	return n
}

func (c inspector) examineRemote(ctx context.Context, node configmap.Node, n *NodeDetails) error {
	n.Endpoint, n.Desired = node.Remote.Address, 1
	if node.Local != nil && !localdaemon.Running(node) {
		n.Status = StatusStopped
		return nil
	}
	conn, err := c.connector.ConnectRemote(ctx, node)
	if err != nil {
		return err
	}
	pod := PodDetails{Status: "ready"}
	c.examineDaemon(ctx, conn.Daemon, n, &pod)
	n.Status, n.Ready, n.Pods = StatusRunning, 1, []PodDetails{pod}
	return nil
}

// examinePods asks the pods in turn: what a client learns of the transport to one
// holds for the next.
func (c inspector) examinePods(ctx context.Context, node configmap.Node, n *NodeDetails) error {
	client, err := c.client(node)
	if err != nil {
		return err
	}
	known, err := client.Status(ctx, node)
	if err != nil {
		return err
	}
	n.Endpoint = known.Namespace + "/" + known.Name
	n.Workload, n.Managed, n.Desired, n.Ready = known.Kind, known.Managed, known.Replicas, known.Ready
	c.condition(ctx, client, node, known, &n.NodeStatus)
	n.Drift, n.DriftPartial = c.drift(ctx, client, node)
	n.Drifted = len(n.Drift) > 0
	listens := false
	for _, found := range known.Pods {
		pod := podDetails(found)
		if at := slices.IndexFunc(known.Usable, func(p kube.Pod) bool { return p.Name == found.Name }); at >= 0 {
			usable := known.Usable[at]
			listens = listens || usable.Listens
			daemon, err := c.connector.Ask(ctx, client, node, usable)
			if err != nil {
				pod.Status, pod.Reason = podUnreachable, sanitize.RedactURLs(err.Error())
			} else {
				pod.Transport = string(client.Reached(node, usable))
				c.examineDaemon(ctx, daemon, n, &pod)
			}
		}
		n.Pods = append(n.Pods, pod)
	}
	if n.Status == StatusRunning && n.BuildKit == "" {
		n.Status = StatusUnreachable
		for _, pod := range n.Pods {
			if pod.Status == podUnreachable {
				n.Error = pod.Reason
			}
		}
	}
	if !listens {
		return nil
	}
	if end, err := client.CertificateExpiry(ctx, node); err != nil {
		c.log.Debug().Err(err).Str("node", node.Name).Msg("the certificates cannot be read")
	} else {
		n.Certificates = &end
	}
	return nil
}

// drift is what differs, nil where that is not known, and why not all was
// compared. That nothing differs is known only where all was.
func (c inspector) drift(ctx context.Context, client inspected, node configmap.Node) (lines []string, partial string) {
	drift, err := client.Drift(ctx, node)
	switch {
	case err != nil:
		c.log.Debug().Err(err).Str("node", node.Name).Msg("the workload cannot be compared with its definition")
		return nil, ""
	case drift.Lines == nil && drift.Partial == "":
		return []string{}, ""
	}
	return drift.Lines, drift.Partial
}

func podDetails(p cluster.PodStatus) PodDetails {
	d := PodDetails{
		Name:        p.Name,
		Status:      strings.ToLower(p.Phase),
		ClusterNode: p.ClusterNode,
		Created:     &p.Created,
		Profile:     string(p.Profile),
		Reason:      p.Waiting,
	}
	switch {
	case p.Terminating:
		d.Status = "terminating"
	case p.Ready:
		d.Status = "ready"
	}
	return d
}

// examineDaemon asks a buildkitd about itself and closes the connection.
func (c inspector) examineDaemon(ctx context.Context, d *buildkit.Daemon, n *NodeDetails, pod *PodDetails) {
	defer func() { _ = d.Close() }() // what was asked for has been answered
	pod.BuildKit = d.Version()
	if err := ask(ctx, d, n, pod); err != nil {
		pod.Status, pod.Reason = podUnreachable, sanitize.RedactURLs(err.Error())
	}
}

func ask(ctx context.Context, d *buildkit.Daemon, n *NodeDetails, pod *PodDetails) (err error) {
	if pod.ActiveBuilds, err = d.Active(ctx); err != nil {
		return err
	}
	last, err := d.LastBuild(ctx)
	if err != nil {
		return err
	}
	if !last.IsZero() {
		pod.LastActivity = &last
	}
	records, err := d.DiskUsage(ctx, buildkit.CacheFilter{})
	if err != nil {
		return err
	}
	pod.CacheRecords = len(records)
	for _, r := range records {
		pod.CacheSize += r.Size
	}
	if n.BuildKit != "" {
		return nil
	}
	worker, err := d.Worker(ctx)
	if err != nil {
		return fmt.Errorf("after it has answered: %w", err)
	}
	n.BuildKit, n.Reported, n.Labels = d.Version(), fleet.FormatPlatforms(d.Platforms()), worker.Labels
	for _, r := range worker.GC {
		n.GC = append(n.GC, GCRule{
			All: r.All, Filters: r.Filters, KeepDuration: Seconds(r.KeepDuration),
			ReservedSpace: r.ReservedSpace, MaxUsedSpace: r.MaxUsedSpace, MinFreeSpace: r.MinFreeSpace,
		})
	}
	return nil
}
