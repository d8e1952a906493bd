package cluster

import (
	"fmt"
	"testing"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

func testPods(n int) []kube.Pod {
	pods := make([]kube.Pod, n)
	for i := range pods {
		pods[i] = kube.Pod{Namespace: "ci", Name: fmt.Sprintf("builder-%d", i)}
	}
	return pods
}

// choose is the pod that Order puts first.
func choose(pods []kube.Pod, policy configmap.LoadBalance, key string) kube.Pod {
	return Order(pods, policy, key)[0]
}

func TestOrderSticky(t *testing.T) {
	const keys = 4000
	pods := testPods(4)
	fewer := pods[:3]
	count := map[string]int{}
	for i := range keys {
		key := fmt.Sprintf("repository-%d", i)
		chosen := choose(pods, configmap.LoadBalanceSticky, key)
		count[chosen.Name]++
		reversed := []kube.Pod{pods[3], pods[1], pods[2], pods[0]}
		if again := choose(reversed, configmap.LoadBalanceSticky, key); again.Name != chosen.Name {
			t.Fatalf("key %s: %s, then %s in another order", key, chosen, again)
		}
		if chosen.Name != pods[3].Name {
			if after := choose(fewer, configmap.LoadBalanceSticky, key); after.Name != chosen.Name {
				t.Errorf("key %s moved from %s to %s though its pod stayed", key, chosen, after)
			}
		}
	}
	for _, p := range pods {
		if n := count[p.Name]; n < keys/4*8/10 || n > keys/4*12/10 {
			t.Errorf("%s holds %d of %d keys", p.Name, n, keys)
		}
	}
}

func TestOrderRandom(t *testing.T) {
	pods := testPods(3)
	count := map[string]int{}
	for range 300 {
		count[choose(pods, configmap.LoadBalanceRandom, "same key").Name]++
	}
	if len(count) != 3 {
		t.Errorf("300 choices among 3 pods hit %v", count)
	}
}
