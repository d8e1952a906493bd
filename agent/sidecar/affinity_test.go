package sidecar

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
)

// TestAffinity tests that a client gets the pod that is preferred by what it builds, and
// one that does not say so the pod of the sidecar's own key.
func TestAffinity(t *testing.T) {
	pods := []kube.Pod{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	workload := fleettest.NewCluster(t)
	for _, pod := range pods {
		workload.Pods = append(workload.Pods, fleettest.Pod{Name: pod.Name, Daemon: &fleettest.Daemon{}})
	}
	preferred := func(key string) string { return cluster.Order(pods, configmap.LoadBalanceSticky, key)[0].Name }
	own := "" // its pod is another one than that of no key
	for i := 0; own == "" || preferred(own) == preferred(""); i++ {
		own = fmt.Sprint("gitlab.example/team/app", i)
	}
	r := start(t, func(s *Sidecar) {
		s.Definitions = []configmap.Definition{{Name: "kube", Nodes: []configmap.Node{{
			Name: "amd64", Kubernetes: &configmap.Kubernetes{LoadBalance: configmap.LoadBalanceSticky},
		}}}}
		s.Connector = &fleet.Connector{Client: func(configmap.Node) (fleet.Cluster, error) { return workload, nil }, Log: zerolog.Nop()}
		s.Affinity = own
	})
	client := (&fleet.Clients{Log: zerolog.Nop()}).Connector()
	socket := configmap.Node{Name: "amd64", Remote: &configmap.Remote{Address: "unix://" + filepath.Join(r.dir, "kube/amd64.sock"), Timeout: time.Minute}}
	reached := map[string]bool{}
	for _, key := range []string{"", "1", "2", "3", "4", "5", "6", "7", "8"} {
		affinity := func() string { return key }
		if key == "" {
			affinity = nil
		}
		conn, err := client.Connect(t.Context(), socket, affinity, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		calls := workload.Calls()
		want := preferred(key)
		if key == "" {
			want = preferred(own)
		}
		if got := calls[len(calls)-1]; got != "dial "+want {
			t.Errorf("key %q: %s, want pod %s", key, got, want)
		}
		reached[want] = true
	}
	if len(reached) != len(pods) {
		t.Errorf("the keys reach only %v", reached)
	}
	if first := workload.Calls()[1]; first != "dial "+preferred(own) {
		t.Errorf("the sidecar has started with %s, want %s", first, preferred(own))
	}
}
