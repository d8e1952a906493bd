package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipway-build/slipway/configmap"
)

// Pod is one pod that runs buildkitd.
type Pod struct {
	Namespace string
	Name      string
	// Container is the one that runs buildkitd.
	Container string
	// ClusterNode is the Kubernetes node it runs on.
	ClusterNode string
	// Addresses are its IP addresses, the preferred one first.
	Addresses []string
	// Listens is true when its buildkitd takes TLS connections.
	Listens bool

	uid types.UID
	// owner is its controller, as the pod has it.
	owner metav1.OwnerReference
}

// String is namespace and name, as kubectl's users write it.
func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Order sorts pods by how much a build should like them, best first; the slice
// given is not changed.
//
// Sticky is rendezvous hashing: each key has an order of preference over all
// pod names, so when a pod comes or goes only the keys that it wins or held
// move. It is written out because it is three lines, and over SHA-256 because
// that needs no dependency, is the same in every process and spreads evenly
// over names that differ in one character; its cost is a microsecond a pod.
func Order(pods []Pod, policy configmap.LoadBalance, key string) []Pod {
	order := slices.Clone(pods)
	if policy == configmap.LoadBalanceRandom {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		return order
	}
	slices.SortFunc(order, func(a, b Pod) int {
		return -cmp.Or(
			cmp.Compare(weight(key, a.Name), weight(key, b.Name)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return order
}

func weight(key, pod string) uint64 {
	sum := sha256.Sum256([]byte(key + "\x00" + pod))
	return binary.BigEndian.Uint64(sum[:8])
}

// readyPods are those of pods that a build may use, by name.
func readyPods(pods []*corev1.Pod) []Pod {
	var ready []Pod
	for _, p := range pods {
		if isReady(p) && p.DeletionTimestamp == nil {
			pod := Pod{
				Namespace:   p.Namespace,
				Name:        p.Name,
				Container:   containerName,
				ClusterNode: p.Spec.NodeName,
				Addresses:   addresses(p),
				Listens:     p.Annotations[annotationTLS] != "",
				uid:         p.UID,
			}
			if owner := metav1.GetControllerOf(p); owner != nil {
				pod.owner = *owner
			}
			ready = append(ready, pod)
		}
	}
	slices.SortFunc(ready, func(a, b Pod) int { return cmp.Compare(a.Name, b.Name) })
	return ready
}

func addresses(p *corev1.Pod) []string {
	var all []string
	for _, ip := range p.Status.PodIPs {
		all = append(all, ip.IP)
	}
	return all
}

func isReady(p *corev1.Pod) bool {
	if p.Status.Phase != corev1.PodRunning {
		return false
	}
	c := podCondition(p, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

func podCondition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// runsBuildkitd tells a builder's pods from others that happen to bear the same
// app label.
func runsBuildkitd(spec corev1.PodSpec) bool { return buildkitd(&spec) != nil }

// isLive is true for a pod that may become or is ready.
func isLive(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && !hasEnded(p)
}

func hasEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}
