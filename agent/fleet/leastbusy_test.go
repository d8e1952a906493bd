package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

// busyPod is a pod with a number of builds, or one that does not tell.
type busyPod struct {
	name   string
	builds int
	mute   bool
	log    *[]string
}

func (b *busyPod) Active(context.Context) (int, error) {
	*b.log = append(*b.log, "ask "+b.name)
	if b.mute {
		return 0, errors.New("mute")
	}
	return b.builds, nil
}

func (b *busyPod) Close() error {
	*b.log = append(*b.log, "close "+b.name)
	return nil
}

func TestOverflow(t *testing.T) {
	for policy, want := range map[configmap.LoadBalance]int{configmap.LoadBalanceSticky: 4, configmap.LoadBalanceRandom: 0} {
		if got := overflow(&configmap.Kubernetes{LoadBalance: policy, Overflow: 4}); got != want {
			t.Errorf("%s: %d, want %d", policy, got, want)
		}
	}
}

func TestLeastBusy(t *testing.T) {
	const mute, gone = -1, -2
	tests := []struct {
		name     string
		overflow int
		builds   []int
		want     string
		log      string
	}{
		{"one pod", 4, []int{9}, "p0", ""},
		{"switched off", 0, []int{9, 0}, "p0", ""},
		{"not busy", 4, []int{3, 0}, "p0", "ask p0"},
		{"busy", 4, []int{4, 3, 0}, "p1", "ask p0, dial p1, ask p1, close p0"},
		{"two are busy", 4, []int{4, 5, 0}, "p2", "ask p0, dial p1, ask p1, close p1, dial p2, ask p2, close p0"},
		{"all are busy", 4, []int{9, 7, 8}, "p1", "ask p0, dial p1, ask p1, close p0, dial p2, ask p2, close p2"},
		{"all are equally busy", 4, []int{7, 7, 7}, "p0", "ask p0, dial p1, ask p1, close p1, dial p2, ask p2, close p2"},
		{"only some are asked", 4, []int{9, 8, 7, 0}, "p2", "ask p0, dial p1, ask p1, close p0, dial p2, ask p2, close p1"},
		{"the first is mute", 4, []int{mute, 0}, "p0", "ask p0"},
		{"another is mute", 4, []int{4, mute, 1}, "p2", "ask p0, dial p1, ask p1, close p1, dial p2, ask p2, close p0"},
		{"another is gone", 4, []int{4, gone, 1}, "p2", "ask p0, dial p1, dial p2, ask p2, close p0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log []string
			var order []kube.Pod
			pods := map[string]*busyPod{}
			for i, n := range tt.builds {
				name := fmt.Sprintf("p%d", i)
				order = append(order, kube.Pod{Name: name})
				pods[name] = &busyPod{name, n, n == mute, &log}
			}
			got, pod := leastBusy(t.Context(), tt.overflow, order, pods["p0"], func(_ context.Context, pod kube.Pod) (*busyPod, error) {
				log = append(log, "dial "+pod.Name)
				if pods[pod.Name].builds == gone {
					return nil, errors.New("gone")
				}
				return pods[pod.Name], nil
			})
			if got.name != tt.want || pod.Name != tt.want {
				t.Errorf("pod %s, connection to %s; want %s", pod.Name, got.name, tt.want)
			}
			if all := strings.Join(log, ", "); all != tt.log {
				t.Errorf("it did %q, want %q", all, tt.log)
			}
		})
	}
}
