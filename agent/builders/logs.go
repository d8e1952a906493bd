package builders

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/localdaemon"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Logs prints what buildkitd says in all pods of a builder.
type Logs struct {
	Definition configmap.Definition
	Access     cluster.Access
	// Node names the one node to look at; empty for all.
	Node string
	// Follow goes on until the pods end.
	Follow bool
	// Tail is how many of the last lines of each pod to begin with; nil for
	// all.
	Tail *int64
	Log  zerolog.Logger
}

// podLog is a log to read.
type podLog struct {
	client *cluster.Client
	node   configmap.Node
	pod    string
}

// Run writes whole lines to out, each with its pod's name in front. Those of
// different pods come in any order. A pod whose log cannot be read does not
// keep the others from theirs; the error holds a fault.List.
func (l Logs) Run(ctx context.Context, out io.Writer) error {
	clients := &fleet.Clients{Access: l.Access, Log: l.Log}
	return clients.Connector().ExplainForbidden(ctx, l.Definition.Nodes, cluster.UseLook, l.run(ctx, clients, out))
}

func (l Logs) run(ctx context.Context, clients *fleet.Clients, out io.Writer) error {
	pods, err := l.pods(ctx, clients)
	if err != nil {
		return err
	}
	var failures fleet.Failures
	var group errgroup.Group // without a limit: each may last as long as its pod
	lines := &prefixed{out: out}
	for _, p := range pods {
		group.Go(fault.Guard(func() error {
			failures.Add(l.copy(ctx, p, lines))
			return nil
		}))
	}
	_ = group.Wait() // its functions return no error
	if ctx.Err() != nil {
		return fault.With(fault.ClassCancelled, context.Cause(ctx))
	}
	if lines.err != nil {
		return lines.err
	}
	return failures.Err()
}

// pods are all that have a log.
func (l Logs) pods(ctx context.Context, clients *fleet.Clients) ([]podLog, error) {
	var all []podLog
	var names []string
	known := false
	for _, node := range l.Definition.Nodes {
		names = append(names, node.Name)
		if l.Node != "" && l.Node != node.Name {
			continue
		}
		known = true
		if node.Remote != nil {
			return nil, fault.With(fault.ClassUsage, &noLogs{node.Name, localdaemon.LogFile(node)})
		}
		client, err := clients.Of(node)
		if err != nil {
			return nil, fault.With(fleet.ClassOf(err), err)
		}
		status, err := client.Status(ctx, node)
		if err != nil {
			return nil, fault.With(fleet.ClassOf(err), fmt.Errorf("node %s: %w", node.Name, err))
		}
		for _, p := range status.Pods {
			if p.Phase == "Pending" { // its buildkitd has not said anything
				l.Log.Warn().Str("pod", p.Name).Msg("it has not started yet, so it is left out: " + p.Waiting)
				continue
			}
			all = append(all, podLog{client: client, node: node, pod: p.Name})
		}
	}
	switch {
	case !known:
		return nil, fault.With(fault.ClassUsage, &unknownNode{node: l.Node, builder: l.Definition.Name, names: names})
	case len(all) == 0:
		return nil, fault.With(fault.ClassCluster, &nothingRuns{l.Definition.Name})
	}
	return all, nil
}

// copy reads one log to its end.
func (l Logs) copy(ctx context.Context, p podLog, to *prefixed) error {
	stream, err := p.client.Logs(ctx, p.node, p.pod, cluster.LogOptions{Follow: l.Follow, Tail: l.Tail})
	if err != nil {
		return fmt.Errorf("node %s: %w", p.node.Name, err)
	}
	defer func() { _ = stream.Close() }() // it has been read
	if err := to.copy(p.pod, stream); err != nil {
		return fmt.Errorf("node %s: read the log of pod %s: %w", p.node.Name, p.pod, err)
	}
	return nil
}

// prefixed writes lines of several sources to one place.
type prefixed struct {
	mu  sync.Mutex
	out io.Writer
	err error // the first of writing; nothing is written after it
}

// copy writes the lines of a source, each with the name in front. Its error is
// that of the source.
func (p *prefixed) copy(name string, from io.Reader) error {
	filter := sanitize.NewChain(&sanitize.Controls{}, &sanitize.Markers{Prefixed: true})
	piece := make([]byte, 32<<10)
	for text := []byte(nil); ; {
		n, err := from.Read(piece)
		text = filter.Append(text, piece[:n])
		if err != nil {
			if text = filter.End(text); len(text) > 0 && text[len(text)-1] != '\n' {
				text = append(text, '\n')
			}
		}
		whole := text[:bytes.LastIndexByte(text, '\n')+1]
		for line := range bytes.Lines(whole) {
			if !p.write(fmt.Appendf(nil, "[%s] %s", name, line)) {
				return nil
			}
		}
		text = append(text[:0], text[len(whole):]...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write says whether there is any use in going on.
func (p *prefixed) write(line []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		_, p.err = p.out.Write(line)
	}
	return p.err == nil
}

// noLogs is a node that Slipway has no pods of.
type noLogs struct{ node, file string }

func (e *noLogs) Error() string {
	if e.file != "" {
		return fmt.Sprintf("node %s: its driver is local: its log is a file on this machine", e.node)
	}
	return fmt.Sprintf("node %s: its driver is remote, so slipway does not know where its log is", e.node)
}

// Hints says where to look.
func (e *noLogs) Hints() []string {
	if e.file != "" {
		return []string{"read " + e.file}
	}
	return []string{"look where its buildkitd runs"}
}

// unknownNode is a node that the builder does not have.
type unknownNode struct {
	node, builder string
	names         []string
}

func (e *unknownNode) Error() string {
	return fmt.Sprintf("--node %q: builder %q has no such node", e.node, e.builder)
}

// Hints lists the nodes.
func (e *unknownNode) Hints() []string {
	return []string{"its nodes are " + strings.Join(e.names, ", ")}
}
