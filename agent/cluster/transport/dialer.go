package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/agent/cluster/pki"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
)

// Dialer connects to the pods of workloads. It is safe for concurrent use and
// remembers, by workload, the credential and the transport that worked.
type Dialer struct {
	api        *kube.Client
	pin        configmap.Transport
	files      *source.Reader
	checkOwner OwnerCheck
	log        zerolog.Logger

	// Both by workloadKey.
	credentials *memory[*pki.Credential]
	// worked holds the transport that was found after others had failed.
	worked *memory[configmap.Transport]
}

// New makes a dialer for the pods behind api. pin is the transport of all
// nodes; empty leaves it to the definition. files reads the certificates of
// definitions that bring theirs. checkOwner fails unless a pod belongs to node's
// workload; it is asked before exec, where the pod shows no certificate.
func New(api *kube.Client, pin configmap.Transport, files *source.Reader, checkOwner OwnerCheck, log zerolog.Logger) *Dialer {
	return &Dialer{
		api: api, pin: pin, files: files, checkOwner: checkOwner, log: log,
		credentials: newMemory[*pki.Credential](),
		worked:      newMemory[configmap.Transport](),
	}
}

// OwnerCheck fails unless pod belongs to node's workload. Where that could not be
// checked fully, unchecked warns of it; it is nil otherwise.
type OwnerCheck func(ctx context.Context, node configmap.Node, pod kube.Pod) (unchecked func(), err error)

// dialMethod is one way for bytes to reach buildkitd in its pod.
type dialMethod struct {
	name configmap.Transport
	// tls is true for those that need the listener and certificates; from is
	// nil for the others.
	tls  bool
	dial func(d *Dialer, ctx context.Context, pod kube.Pod, from *pki.Credential, limits timeouts) (net.Conn, error)
}

// dialMethods are in the order in which auto tries them, the fastest first.
func dialMethods() []dialMethod {
	return []dialMethod{
		{configmap.TransportDirect, true, (*Dialer).dialDirect},
		{configmap.TransportPortForward, true, (*Dialer).dialPortForward},
		{configmap.TransportExec, false, func(d *Dialer, ctx context.Context, pod kube.Pod, _ *pki.Credential, _ timeouts) (net.Conn, error) {
			return d.dialExec(ctx, pod)
		}},
	}
}

// candidates are the transports to try, in order, for a pod that listens or not.
// pinned is what the command line or the definition says; first is what worked
// before for the same workload, empty if there was nothing yet.
func candidates(pinned, first configmap.Transport, listens bool) []dialMethod {
	all := dialMethods()
	index := func(name configmap.Transport) int {
		return slices.IndexFunc(all, func(t dialMethod) bool { return t.name == name })
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
func (t dialMethod) worthTrying(failed error) bool {
	var known *kube.Error
	if !errors.As(failed, &known) {
		return true
	}
	if !t.tls {
		return !known.Unproven
	}
	return known.Reason == kube.ReasonBlocked || known.Reason == kube.ReasonRefused
}

// Pinned is the transport that node's pods are to be reached by: that of the
// command line, else that of the definition.
func (d *Dialer) Pinned(node configmap.Node) configmap.Transport {
	return cmp.Or(d.pin, node.Kubernetes.Transport, configmap.TransportAuto)
}

// Dial connects to the buildkitd in pod, which is one of node's. It returns
// when buildkitd has sent its first bytes, or fails with the reasons. With the
// transport auto, report gets one line when the pod could be reached faster
// than it is, once for each workload. ctx bounds the dialling only; the
// connection lives until it is closed. Errors are of type *kube.Error but for
// those of ctx.
func (d *Dialer) Dial(ctx context.Context, node configmap.Node, pod kube.Pod, report func(string)) (net.Conn, error) {
	ctx = kube.Quiet(ctx)
	key := d.workloadKey(node)
	pinned := d.Pinned(node)
	first := d.worked.get(key)

	var failures []failure
	all := candidates(pinned, first, pod.Listens)
	for i, t := range all {
		if len(failures) > 0 && !t.worthTrying(failures[len(failures)-1].err) {
			continue
		}
		limits := tryTimeouts
		if i == len(all)-1 {
			limits = lastTimeouts
		}
		conn, err := d.dialWith(ctx, t, node, pod, limits)
		if err == nil {
			d.log.Debug().Str("pod", pod.Name).Str("transport", string(t.name)).Msg("buildkitd has answered")
			if len(failures) > 0 {
				d.worked.put(key, t.name)
				report(fmt.Sprintf("reached by %s and not %s: %v", t.name, failures[0].name, failures[0].err))
			}
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		d.log.Debug().Err(err).Str("pod", pod.Name).Str("transport", string(t.name)).Msg("no connection")
		failures = append(failures, failure{t.name, err})
	}
	return nil, joinFailures(pod, failures)
}

// Reached is the transport that Dial takes first for pod after what it has
// learned of node's workload: right after a Dial, the one that was taken.
func (d *Dialer) Reached(node configmap.Node, pod kube.Pod) configmap.Transport {
	return candidates(d.Pinned(node), d.worked.get(d.workloadKey(node)), pod.Listens)[0].name
}

func (d *Dialer) dialWith(ctx context.Context, t dialMethod, node configmap.Node, pod kube.Pod, limits timeouts) (net.Conn, error) {
	if !t.tls {
		unchecked, err := d.checkOwner(ctx, node, pod)
		if err != nil {
			return nil, err
		}
		conn, err := t.dial(d, ctx, pod, nil, limits)
		// Who may not exec at all has nothing to be warned of.
		if known := (*kube.Error)(nil); unchecked != nil && (!errors.As(err, &known) || known.Reason != kube.ReasonForbidden) {
			unchecked()
		}
		return conn, err
	}
	if !pod.Listens {
		return nil, &kube.Error{
			Reason:  kube.ReasonTransport,
			Message: fmt.Sprintf("pod %s takes no TLS connections, which the transport %s needs", pod, t.name),
			Advice: []string{
				"a builder made by buildx, or with the transport exec, or with addresses of its own in Flags or buildkitd.toml has no listener of slipway's: use --transport exec",
				"or delete the workload and let slipway up make it again: kubectl delete --namespace " + pod.Namespace + " " + strings.ToLower(manifest.Kind(node)) + " " + manifest.WorkloadName(node),
			},
		}
	}
	from, err := d.Credential(ctx, node)
	if err != nil {
		return nil, err
	}
	conn, err := t.dial(d, ctx, pod, from, limits)
	if known := (*kube.Error)(nil); errors.As(err, &known) && known.Reason == kube.ReasonCertificate && d.forgetOld(node) {
		fresh, readErr := d.Credential(ctx, node)
		if readErr != nil {
			return nil, readErr
		}
		return t.dial(d, ctx, pod, fresh, limits)
	}
	return conn, err
}

// failure is a transport that did not work.
type failure struct {
	name configmap.Transport
	err  error
}

func (f failure) String() string { return fmt.Sprintf("%s: %v", f.name, f.err) }

// joinFailures is one error of all the transports that failed. A pod that is gone
// is reported as that alone. Where the last transport only lacks a right, which
// may be meant so, the first one's reason counts.
func joinFailures(pod kube.Pod, failures []failure) error {
	last := failures[len(failures)-1]
	var reason *kube.Error
	if len(failures) == 1 || !errors.As(last.err, &reason) || reason.Reason == kube.ReasonGone {
		return last.err
	}
	if first := (*kube.Error)(nil); reason.Reason == kube.ReasonForbidden && errors.As(failures[0].err, &first) {
		reason = first
	}
	e := &kube.Error{Reason: reason.Reason, Message: "no way to buildkitd in pod " + pod.String(), Cause: last.err}
	for i, f := range failures {
		separator := "; "
		if i == 0 {
			separator = ": "
		}
		e.Message += separator + f.String()
		if known := (*kube.Error)(nil); errors.As(f.err, &known) {
			for _, hint := range known.Advice {
				if !slices.Contains(e.Advice, hint) {
					e.Advice = append(e.Advice, hint)
				}
			}
		}
	}
	return e
}
