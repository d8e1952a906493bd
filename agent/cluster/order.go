package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// Order sorts pods by how much a build should like them, best first; the slice
// given is not changed.
//
// Sticky is rendezvous hashing: each key has an order of preference over all
// pod names, so when a pod comes or goes only the keys that it wins or held
// move. It is written out because it is three lines, and over SHA-256 because
// that needs no dependency, is the same in every process and spreads evenly
// over names that differ in one character; its cost is a microsecond a pod.
func Order(pods []kube.Pod, policy configmap.LoadBalance, key string) []kube.Pod {
	order := slices.Clone(pods)
	if policy == configmap.LoadBalanceRandom {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		return order
	}
	slices.SortFunc(order, func(a, b kube.Pod) int {
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
