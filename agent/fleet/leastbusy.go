package fleet

import (
	"context"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// maxAsked is how many pods of a node are asked how busy they are. Each costs a
// connection; among a few of them one is rarely as busy as the first.
const maxAsked = 3

// busier is a daemon as the choice among pods sees it.
type busier interface {
	Active(ctx context.Context) (int, error)
	Close() error
}

// overflow is how many builds make a pod of a node too busy; 0 for never. With
// the policy random the choice stays where it fell, as with buildx.
func overflow(k *configmap.Kubernetes) int {
	if k.LoadBalance == configmap.LoadBalanceRandom {
		return 0
	}
	return k.Overflow
}

// leastBusy looks for a pod that is less busy than the one that a build likes
// best and is connected to, first of order. It returns the connection that the
// build is to use, and closes the others. A pod that does not tell is taken as
// it is: the choice makes a build faster, and must not make one fail.
func leastBusy[D busier](ctx context.Context, overflow int, order []kube.Pod, first D, dial func(context.Context, kube.Pod) (D, error)) (D, kube.Pod) {
	best, pod := first, order[0]
	if overflow == 0 || len(order) == 1 {
		return best, pod
	}
	fewest, err := best.Active(ctx)
	if err != nil {
		return best, pod
	}
	for _, next := range order[1:min(len(order), maxAsked)] {
		if fewest < overflow {
			break
		}
		other, err := dial(ctx, next)
		if err != nil {
			continue // it is not needed
		}
		if n, err := other.Active(ctx); err == nil && n < fewest {
			best, other, pod, fewest = other, best, next, n
		}
		_ = other.Close() // nothing was asked of it but a number
	}
	return best, pod
}
