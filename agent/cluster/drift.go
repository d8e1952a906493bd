package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// drift is what lies between a workload and its definition.
type drift struct {
	is manifest.Workload
	// should is what is to be written.
	should manifest.Workload
	// lines name the fields, files and certificates that differ; none when the
	// workload is as it should be.
	lines []string
	// unapplied is what of the definition is left out, and why.
	unapplied []string
	// files are those to be written.
	files manifest.Objects
	// needsCertificates is true when certificates are to be made.
	needsCertificates bool
	// updates is true when the workload itself differs, replacesPods when its
	// pods are to be replaced for it.
	updates, replacesPods bool
	// dryRunErr is why the API server could not be asked to compare; then fields
	// that the definition does not speak of were not compared.
	dryRunErr error
	// unread are the rights for want of which files were not compared, but for
	// the hash of the definition: "get configmaps".
	unread []string
}

// Drift is in what a workload is not as its definition says.
type Drift struct {
	// Lines are one for each field, file and certificate.
	Lines []string
	// Partial says why not all was compared, as in "without the right to update
	// deployments"; empty where all was. Then more may differ than Lines say.
	Partial string
	// OldPods are pods of a workload without Lines that were made of an earlier
	// template and are still there.
	OldPods []string
}

// writes is true when something of it can be applied.
func (d drift) writes() bool {
	return d.updates || d.needsCertificates || len(d.files.ConfigMaps)+len(d.files.Secrets) > 0
}

// Drift compares node's workload with the definition; nothing differs where
// there is no workload. It changes nothing. Errors are of type *kube.Error but for
// those of ctx.
func (c *Client) Drift(ctx context.Context, node configmap.Node) (Drift, error) {
	w := newWorkload(c, node, func(string) {})
	var is manifest.Workload
	var d drift
	// A controller that writes the status between the two is no reason not to know.
	err := w.retryOnConflict(ctx, "compare "+w.String(), func() (err error) {
		if is, err = w.find(kube.Quiet(ctx)); err == nil {
			d, err = w.compare(kube.Quiet(ctx), is, false)
		}
		return err
	})
	if apierrors.IsNotFound(err) {
		return Drift{}, nil
	}
	if known := (*kube.Error)(nil); errors.As(err, &known) && known.Reason == kube.ReasonDefinition {
		return Drift{Lines: []string{known.Message}}, nil
	}
	found := Drift{Lines: d.lines, Partial: d.partial(strings.ToLower(manifest.Kind(node)) + "s")}
	if err == nil && len(found.Lines) == 0 {
		found.OldPods, err = w.oldPods(kube.Quiet(ctx), is)
	}
	return found, err
}

// oldPods are the live pods of another template than the workload's, as far as a
// hash tells.
func (w *workload) oldPods(ctx context.Context, is manifest.Workload) ([]string, error) {
	hash := is.Template().Annotations[manifest.AnnotationSpecHash]
	if hash == "" {
		return nil, nil
	}
	pods, err := w.list(ctx)
	var old []string
	for _, p := range pods {
		if kube.IsLive(p) && p.Annotations[manifest.AnnotationSpecHash] != hash {
			old = append(old, p.Name)
		}
	}
	slices.Sort(old)
	return old, err
}

// partial says why not all was compared; resource is that of the workload.
func (d drift) partial(resource string) string {
	rights := slices.Clone(d.unread)
	switch {
	case d.dryRunErr == nil:
	case kube.IsMissingRight(d.dryRunErr):
		rights = append([]string{"update " + resource}, rights...)
	default:
		return "because a webhook of the cluster does not support dry runs"
	}
	switch last := len(rights) - 1; last {
	case -1:
		return ""
	case 0:
		return "without the right to " + rights[0]
	default:
		return "without the rights to " + strings.Join(rights[:last], ", ") + " and " + rights[last]
	}
}

// find reads the workload. That there is none is the API server's own error,
// all others are explained.
func (w *workload) find(ctx context.Context) (manifest.Workload, error) {
	is, err := w.load(ctx, manifest.Kind(w.node))
	if !apierrors.IsNotFound(err) {
		return is, err
	}
	if other := w.checkOtherKind(ctx); other != nil {
		return is, other
	}
	return is, err
}

// compare finds out what differs. The API server is asked what would become of
// the workload with all in it that is wanted, so that its defaults and all
// admission are in both that are compared; apply is true when this is to be
// written then. That somebody else has just written it is the API server's own
// error.
//
// It is not asked to apply on the server's side: that would leave in place what
// an Update has set, and takes rights that a role for buildx does not have.
func (w *workload) compare(ctx context.Context, is manifest.Workload, apply bool) (drift, error) {
	d := drift{is: is}
	objects, err := w.desiredObjects(ctx, is, apply)
	if err != nil {
		return d, err
	}
	wanted := objects.Workload
	if is.Managed() {
		err = w.checkImmutable(is, wanted)
		d.should = diff.Desired(is, wanted)
	} else {
		err = w.checkAdoptable(is, wanted)
		d.should = diff.Adopted(is, wanted)
	}
	if err != nil {
		return d, err
	}
	differences, err := w.dryRunUpdate(ctx, &d)
	if err != nil {
		return d, err
	}
	if is.Managed() {
		err = w.compareFiles(ctx, &d, objects)
	} else {
		err = w.compareAdopted(ctx, &d, wanted)
	}
	if err == nil && objects.Listens() {
		err = w.compareCertificates(ctx, &d)
	}
	d.replacesPods = diff.ReplacesPods(differences)
	if !is.Managed() && len(d.lines) == 0 && is.Hash() == "" && diff.OnlyHash(differences) {
		// It is as it should be; replacing all pods to mark them would be all
		// that came of it.
		return d, err
	}
	d.lines = diff.Lines(differences, d.lines)
	d.updates = len(differences) > 0
	return d, err
}

func (w *workload) compareAdopted(ctx context.Context, d *drift, wanted manifest.Workload) error {
	plain, err := manifest.Of(diff.WithoutOptions(manifest.WithoutListener(w.node)), w.namespace)
	if err != nil {
		return err
	}
	paths, err := diff.Unapplied(d.is, d.should, wanted, plain.Workload)
	if err != nil {
		return err
	}
	d.unapplied = append(d.unapplied, paths...)
	return w.compareAdoptedFiles(ctx, d)
}

// desiredObjects is what the node's workload should be: reached by exec where others made
// it, and where it was made by one without the right to make certificates and
// nobody has that now.
func (w *workload) desiredObjects(ctx context.Context, is manifest.Workload, apply bool) (manifest.Objects, error) {
	whole, err := w.objects()
	switch {
	case err != nil:
		return manifest.Objects{}, err
	case !is.Managed():
		return w.execObjects()
	case is.Listens(), !whole.Listens(), needsListener(w.node):
		return whole, nil
	case !apply:
		return w.execObjects()
	}
	err = nil
	if w.node.Kubernetes.TLS.ServerSecret == "" {
		err = w.certify(ctx, certifyCheck)
	}
	if known := (*kube.Error)(nil); errors.As(err, &known) && known.Reason == kube.ReasonForbidden {
		return w.execObjects()
	}
	return whole, err
}

// needsListener is true where the definition itself is content with nothing
// else.
func needsListener(node configmap.Node) bool {
	t := node.Kubernetes.Transport
	return t == configmap.TransportDirect || t == configmap.TransportPortForward
}

// dryRunUpdate has the API server say what the workload would become. Where it may not
// or cannot, the fields that the definition speaks of are compared as they are.
func (w *workload) dryRunUpdate(ctx context.Context, d *drift) ([]diff.Difference, error) {
	// What the server warns of is told when the workload is written.
	would, err := w.put(kube.WithoutWarnings(ctx), d.should, true)
	switch {
	case err == nil:
		return diff.Workloads(d.is, would, false)
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return nil, err
	case kube.IsMissingRight(err), strings.Contains(err.Error(), "does not support dry run"):
		d.dryRunErr = err
		return diff.Workloads(d.is, d.should, true)
	}
	return nil, w.explain(err, "try to update "+w.String())
}
