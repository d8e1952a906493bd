package diff

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// Compares is true for the policies that compare at all.
func Compares(policy configmap.Drift) bool {
	return policy != "" && policy != configmap.DriftIgnore
}

// Revision tells pods of the node's definition from others by their spec hash,
// without a request.
type Revision struct {
	Policy configmap.Drift
	// Hashes are those of the definition; a workload that is reached by exec only
	// has another one.
	Hashes []string
}

// RevisionState is what the labels and annotations of a pod tell.
type RevisionState int

const (
	// Current is of this definition, as far as a hash tells.
	Current RevisionState = iota
	// Unknown is of others, who write no hash.
	Unknown
	// Stale is of another definition.
	Stale
)

// State reads the revision off a pod, or off a workload's labels and the
// annotations of its template.
func (r Revision) State(labels, annotations map[string]string) RevisionState {
	hash := annotations[manifest.AnnotationSpecHash]
	if hash != "" && slices.Contains(r.Hashes, hash) {
		return Current
	}
	if hash == "" && labels[manifest.LabelManagedBy] != manifest.ManagedBy {
		return Unknown
	}
	return Stale
}

// NeedsComparison is true when a workload or pods of that state are to be
// compared field by field. What others made has no hash before it was first brought up to date,
// and a build that would only warn does not spend requests on it each time.
func (r Revision) NeedsComparison(s RevisionState) bool {
	switch r.Policy {
	case configmap.DriftWarn:
		return s == Stale
	case configmap.DriftApply, configmap.DriftFail:
		return s != Current
	}
	return false
}

// Rollout is what the live pods of a workload say of their revisions.
type Rollout struct {
	// Current are of the definition; Ready is true when one of them is.
	Current []*corev1.Pod
	Ready   bool
	// Doubtful is true when others are to be compared.
	Doubtful bool
}

// Examine looks at the live ones of pods.
func (r Revision) Examine(pods []*corev1.Pod) Rollout {
	var out Rollout
	for _, p := range pods {
		if !kube.IsLive(p) {
			continue
		}
		s := r.State(p.Labels, p.Annotations)
		if s == Current {
			out.Current = append(out.Current, p)
			out.Ready = out.Ready || kube.IsReady(p)
		} else if r.NeedsComparison(s) {
			out.Doubtful = true
		}
	}
	return out
}
