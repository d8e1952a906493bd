package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
)

// transport is one way for bytes to reach buildkitd in its pod.
type transport struct {
	name configmap.Transport
	// tls is true for those that need the listener and certificates; from is
	// nil for the others.
	tls  bool
	dial func(c *Client, ctx context.Context, pod Pod, from *pki.Credential, patience patienceOf) (net.Conn, error)
}

// transports are in the order in which auto tries them: the fewer hands the
// bytes go through, the faster.
func transports() []transport {
	return []transport{
		{configmap.TransportDirect, true, (*Client).dialDirect},
		{configmap.TransportPortForward, true, (*Client).dialPortForward},
		{configmap.TransportExec, false, func(c *Client, ctx context.Context, pod Pod, _ *pki.Credential, _ patienceOf) (net.Conn, error) {
			return c.dialExec(ctx, pod)
		}},
	}
}

// route are the transports to try, in order, for a pod that listens or not.
// pinned is what the command line or the definition says; first is what worked
// before for the same workload, empty if there was nothing yet.
func route(pinned, first configmap.Transport, listens bool) []transport {
	all := transports()
	index := func(name configmap.Transport) int {
		return slices.IndexFunc(all, func(t transport) bool { return t.name == name })
	}
	switch {
	case pinned != configmap.TransportAuto:
		return all[index(pinned) : index(pinned)+1]
	case !listens:
		return all[index(configmap.TransportExec):]
	case first != "":
		return all[index(first):]
	}
	return all
}

// worthTrying says whether a transport can do better than one that failed.
// What the certificates fail at, they fail at behind the API server, too; and
// exec, which asks for none, must not stand in for one that a pod did not show:
// that pod may be anybody's. An agent that has no certificate of its own tells
// nothing of the pod.
func (t transport) worthTrying(failed error) bool {
	var known *Error
	if !errors.As(failed, &known) {
		return true
	}
	if !t.tls {
		return !known.Unproven
	}
	return known.Reason == ReasonBlocked || known.Reason == ReasonRefused
}

// pinned is the transport that node's pods are to be reached by: that of the
// command line, else that of the definition.
func (c *Client) pinned(node configmap.Node) configmap.Transport {
	return cmp.Or(c.transport, node.Kubernetes.Transport, configmap.TransportAuto)
}

// Dial connects to the buildkitd in pod, which is one of node's. It returns
// when buildkitd has sent its first bytes, or fails with the reasons. With the
// transport auto, report gets one line when the pod could be reached faster
// than it is, once for each workload. ctx bounds the dialling only; the
// connection lives until it is closed. Errors are of type *Error but for
// those of ctx.
func (c *Client) Dial(ctx context.Context, node configmap.Node, pod Pod, report func(string)) (net.Conn, error) {
	ctx = quiet(ctx)
	key := c.workloadKey(node)
	pinned := c.pinned(node)
	c.mu.Lock()
	first := c.worked[key]
	c.mu.Unlock()

	var failures []failure
	all := route(pinned, first, pod.Listens)
	for i, t := range all {
		if len(failures) > 0 && !t.worthTrying(failures[len(failures)-1].err) {
			continue
		}
		patience := tryPatience
		if i == len(all)-1 {
			patience = lastPatience
		}
		conn, err := c.dialBy(ctx, t, node, pod, patience)
		if err == nil {
			c.log.Debug().Str("pod", pod.Name).Str("transport", string(t.name)).Msg("buildkitd has answered")
			if len(failures) > 0 {
				c.mu.Lock()
				c.worked[key] = t.name
				c.mu.Unlock()
				report(fmt.Sprintf("reached by %s and not %s: %v", t.name, failures[0].name, failures[0].err))
			}
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		c.log.Debug().Err(err).Str("pod", pod.Name).Str("transport", string(t.name)).Msg("no connection")
		failures = append(failures, failure{t.name, err})
	}
	return nil, together(pod, failures)
}

// Reached is the transport that Dial takes first for pod after what it has
// learned of node's workload: right after a Dial, the one that was taken.
func (c *Client) Reached(node configmap.Node, pod Pod) configmap.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return route(c.pinned(node), c.worked[c.workloadKey(node)], pod.Listens)[0].name
}

func (c *Client) dialBy(ctx context.Context, t transport, node configmap.Node, pod Pod, patience patienceOf) (net.Conn, error) {
	if !t.tls {
		if err := newWorkload(c, node, nil).checkOwner(ctx, pod); err != nil {
			return nil, err
		}
		return t.dial(c, ctx, pod, nil, patience)
	}
	if !pod.Listens {
		return nil, &Error{
			Reason:  ReasonTransport,
			Message: fmt.Sprintf("pod %s takes no TLS connections, which the transport %s needs", pod, t.name),
			Advice: []string{
				"a builder made by buildx, or with the transport exec, or with addresses of its own in Flags or buildkitd.toml has no listener of slipway's: use --transport exec",
				"or delete the workload and let slipway up make it again: kubectl delete --namespace " + pod.Namespace + " " + strings.ToLower(Kind(node)) + " " + WorkloadName(node),
			},
		}
	}
	from, err := c.credential(ctx, node)
	if err != nil {
		return nil, err
	}
	return t.dial(c, ctx, pod, from, patience)
}

// failure is a transport that did not work.
type failure struct {
	name configmap.Transport
	err  error
}

func (f failure) String() string { return fmt.Sprintf("%s: %v", f.name, f.err) }

// together is one error of all the ways that failed. A pod that is gone is
// just that, whatever the network said of it before. Where the last way only
// lacks a right, which may be meant so, the first one's reason counts.
func together(pod Pod, failures []failure) error {
	last := failures[len(failures)-1]
	var reason *Error
	if len(failures) == 1 || !errors.As(last.err, &reason) || reason.Reason == ReasonGone {
		return last.err
	}
	if first := (*Error)(nil); reason.Reason == ReasonForbidden && errors.As(failures[0].err, &first) {
		reason = first
	}
	e := &Error{Reason: reason.Reason, Message: "no way to buildkitd in pod " + pod.String(), Cause: last.err}
	for i, f := range failures {
		separator := "; "
		if i == 0 {
			separator = ": "
		}
		e.Message += separator + f.String()
		if known := (*Error)(nil); errors.As(f.err, &known) {
			for _, hint := range known.Advice {
				if !slices.Contains(e.Advice, hint) {
					e.Advice = append(e.Advice, hint)
				}
			}
		}
	}
	return e
}
