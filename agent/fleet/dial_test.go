package fleet

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// TestDialNode takes the next pod where one does not answer, and leaves no
// connection but the one that it returns.
func TestDialNode(t *testing.T) {
	c := fleettest.NewCluster(t,
		fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}},
		fleettest.Pod{Name: "b", Daemon: &fleettest.Daemon{}},
	)
	var failed string // the first pod that is dialled
	c.Fail = func(call string, _ int) error {
		if failed == "" && (call == "dial a" || call == "dial b") {
			failed = call
		}
		if call == failed {
			return errors.New("gone")
		}
		return nil
	}
	connector := &Connector{Client: func(configmap.Node) (Cluster, error) { return c, nil }, Log: zerolog.Nop()}
	node := configmap.Node{Name: "n", Kubernetes: &configmap.Kubernetes{}}
	conn, err := connector.DialNode(t.Context(), node, nil, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if c.Open() != 1 {
		t.Errorf("%d connections are open, want one", c.Open())
	}
	if !conn.Other || "dial "+conn.Pod == failed || conn.Pod == "" {
		t.Errorf("pod %q, other than the preferred one: %t; %q fails", conn.Pod, conn.Other, failed)
	}
	_ = conn.Close()
	dials := slices.DeleteFunc(c.Calls(), func(call string) bool { return call == "up" })
	if len(dials) != 3 || dials[0] != failed || dials[1] == failed || dials[1] != dials[2] {
		t.Errorf("dialled %q, of which %q fails", dials, failed)
	}

	c.Fail = func(call string, _ int) error {
		if call == "up" {
			return nil
		}
		return errors.New("gone")
	}
	if _, err := connector.DialNode(t.Context(), node, nil, func(string) {}); err == nil || c.Open() != 0 {
		t.Errorf("without a pod that answers: %v, %d connections are open", err, c.Open())
	}
}

// TestDialNodeWithoutAPIServer tests that pods that are known are reached while the API
// server does not answer, and that any other answer counts.
func TestDialNodeWithoutAPIServer(t *testing.T) {
	unreachable := &kube.Error{Reason: kube.ReasonUnreachable, Message: "connection refused"}
	for name, c := range map[string]struct {
		known, listens bool
		err            error
		want           error
	}{
		"known":               {known: true, listens: true, err: unreachable},
		"not known":           {listens: true, err: unreachable, want: unreachable},
		"without certificate": {known: true, err: unreachable, want: unreachable},
		"another answer":      {known: true, listens: true, err: &kube.Error{Reason: kube.ReasonForbidden}, want: &kube.Error{Reason: kube.ReasonForbidden}},
	} {
		t.Run(name, func(t *testing.T) {
			workload := fleettest.NewCluster(t, fleettest.Pod{Name: "a", Daemon: &fleettest.Daemon{}})
			if c.listens {
				workload.Expiry = time.Now().Add(time.Hour)
			}
			connector := &Connector{Client: func(configmap.Node) (Cluster, error) { return workload, nil }, Log: zerolog.Nop()}
			node := configmap.Node{Name: "n", Kubernetes: &configmap.Kubernetes{}}
			if c.known {
				conn, err := connector.DialNode(t.Context(), node, nil, func(string) {})
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.Close()
			}
			workload.Fail = func(call string, _ int) error {
				if call == "up" {
					return c.err
				}
				return nil
			}
			conn, err := connector.DialNode(t.Context(), node, nil, func(string) {})
			if err == nil {
				_ = conn.Close()
			}
			if (err == nil) != (c.want == nil) || err != nil && !errors.Is(err, c.err) || err == nil && conn.Pod != "a" {
				t.Errorf("pod %q, %v; want %v", conn.Pod, err, c.want)
			}
		})
	}
}

// TestDialNodeOverflow tests that a build goes to another pod than the one that it likes best
// when that is busy, and that it stays where nothing is built.
func TestDialNodeOverflow(t *testing.T) {
	pods := []kube.Pod{{Name: "a"}, {Name: "b"}}
	for name, c := range map[string]struct {
		busy     int // builds on the first pod
		affinity func() string
		stays    bool
	}{
		"busy":             {4, func() string { return "key" }, false},
		"not busy":         {3, func() string { return "key" }, true},
		"nothing is built": {4, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			key := ""
			if c.affinity != nil {
				key = c.affinity()
			}
			first := cluster.Order(pods, configmap.LoadBalanceSticky, key)[0].Name
			workload := fleettest.NewCluster(t)
			for _, pod := range pods {
				daemon := &fleettest.Daemon{}
				if pod.Name == first {
					daemon.Active = c.busy
				}
				workload.Pods = append(workload.Pods, fleettest.Pod{Name: pod.Name, Daemon: daemon})
			}
			connector := &Connector{Client: func(configmap.Node) (Cluster, error) { return workload, nil }, Log: zerolog.Nop()}
			node := configmap.Node{Name: "n", Kubernetes: &configmap.Kubernetes{LoadBalance: configmap.LoadBalanceSticky, Overflow: 4}}
			conn, err := connector.DialNode(t.Context(), node, c.affinity, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			calls := workload.Calls()
			if last := calls[len(calls)-1]; (last == "dial "+first) != c.stays || workload.Open() != 1 {
				t.Errorf("%q with %d connections open; pod %s is preferred", calls, workload.Open(), first)
			}
		})
	}
}

// TestDialNodeOfARemote has a builder that answers, and takes no part in the TLS
// handshake of the second connection.
func TestDialNodeOfARemote(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	daemon := strings.TrimPrefix((&fleettest.Daemon{}).Listen(t), "unix://")
	var running sync.WaitGroup
	running.Go(fault.Protect(func() {
		first, err := listener.Accept() // the kernel takes the second one
		if err != nil {
			return
		}
		defer first.Close()
		secured := tls.Server(first, &tls.Config{Certificates: server.TLS.Certificates, NextProtos: []string{"h2"}})
		behind, err := net.Dial("unix", daemon)
		if err != nil {
			t.Error(err)
			return
		}
		defer behind.Close()
		running.Go(fault.Protect(func() { _, _ = io.Copy(secured, behind) })) // it ends with the connections
		_, _ = io.Copy(behind, secured)
	}))
	t.Cleanup(running.Wait)
	t.Cleanup(func() { _ = listener.Close() })

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	address := "tcp://" + listener.Addr().String()
	connector := &Connector{Access: cluster.Access{Access: kube.Access{Files: source.New(ctx, nil)}}, Log: zerolog.Nop()}
	_, err = connector.DialNode(ctx, configmap.Node{Name: "n", Remote: &configmap.Remote{Address: address, CACert: ca, Timeout: time.Second}}, nil, func(string) {})
	if err == nil || !strings.HasPrefix(err.Error(), "node n: connect to "+address+": ") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if ctx.Err() != nil {
		t.Error("it waits beyond the timeout of the node")
	}
}
