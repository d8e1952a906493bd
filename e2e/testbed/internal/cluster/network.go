package cluster

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

// The networks of the cluster, for each IP family. The nodes' own addresses are
// the first of their pod networks, so pods and nodes reach each other by plain
// routing.
const (
	podNetwork4     = "10.244.0.0/16"
	podNetwork6     = "fd00:10:244::/48"
	serviceNetwork4 = "10.96.0.0/16"
	serviceNetwork6 = "fd00:10:96::/112"
	serviceAPI4     = "10.96.0.1"
	serviceAPI6     = "fd00:10:96::1"
	apiPort         = "6443"

	// bridge carries the nodes' addresses. No pod is attached to it: every pod
	// has its own point-to-point link, so that traffic between two pods of one
	// node is routed too and meets the same iptables rules as any other.
	bridge = "slipway0"
)

// node is one of the two cluster nodes.
type node struct {
	name, arch         string
	ip4, ip6           string
	podCIDR4, podCIDR6 string
	healthPort         int
}

var nodes = []node{
	{name: "node1", arch: "amd64", ip4: "10.244.0.1", podCIDR4: "10.244.0.0/24", ip6: "fd00:10:244::1", podCIDR6: "fd00:10:244::/64", healthPort: 10248},
	{name: "node2", arch: "arm64", ip4: "10.244.1.1", podCIDR4: "10.244.1.0/24", ip6: "fd00:10:244:1::1", podCIDR6: "fd00:10:244:1::/64", healthPort: 10348},
}

// Forwarded packets of pods pass even where the machine drops others'.
func forwardRules(network string) [][]string {
	return [][]string{
		{"FORWARD", "-s", network, "-m", "comment", "--comment", "slipway testbed", "-j", "ACCEPT"},
		{"FORWARD", "-d", network, "-m", "comment", "--comment", "slipway testbed", "-j", "ACCEPT"},
	}
}

func (c Cluster) networkUp(ctx context.Context) error {
	if err := run.Quiet(ctx, "ip", "link", "add", bridge, "type", "bridge"); err != nil && !run.Said(err, "File exists") {
		return fmt.Errorf("make the bridge of the node addresses: %w", err)
	}
	for _, n := range nodes {
		for _, address := range pick(c, []string{n.ip4 + "/32"}, []string{n.ip6 + "/128", "nodad"}) {
			if err := run.Quiet(ctx, "ip", append([]string{"address", "replace", "dev", bridge}, address...)...); err != nil {
				return fmt.Errorf("give %s its address: %w", n.name, err)
			}
		}
	}
	if err := run.Quiet(ctx, "ip", "link", "set", bridge, "up"); err != nil {
		return fmt.Errorf("start the bridge of the node addresses: %w", err)
	}
	for _, family := range pick(c, []string{"iptables", podNetwork4}, []string{"ip6tables", podNetwork6}) {
		tool := family[0]
		for _, rule := range forwardRules(family[1]) {
			if run.Quiet(ctx, tool, append([]string{"-w", "-C"}, rule...)...) == nil {
				continue
			}
			if err := run.Quiet(ctx, tool, append([]string{"-w", "-A"}, rule...)...); err != nil {
				return fmt.Errorf("let pods' packets pass: %w", err)
			}
		}
	}
	return nil
}

func networkDown(ctx context.Context) error {
	for tool, network := range map[string]string{"iptables": podNetwork4, "ip6tables": podNetwork6} {
		for _, rule := range forwardRules(network) {
			for run.Quiet(ctx, tool, append([]string{"-w", "-C"}, rule...)...) == nil {
				if err := run.Quiet(ctx, tool, append([]string{"-w", "-D"}, rule...)...); err != nil {
					return fmt.Errorf("take back the rules for pods' packets: %w", err)
				}
			}
		}
	}
	for _, tool := range []string{"iptables", "ip6tables"} {
		if err := removeChains(ctx, tool); err != nil {
			return err
		}
	}
	if err := run.Quiet(ctx, "ip", "link", "delete", bridge); err != nil && !run.Said(err, "Cannot find device") {
		return fmt.Errorf("remove the bridge of the node addresses: %w", err)
	}
	return nil
}

// chainPrefixes begin the names of the chains that kube-proxy, kubelet and the
// port-mapping plugin make.
var chainPrefixes = []string{"KUBE-", "CNI-"}

// removeChains takes out every rule and chain that Kubernetes' programs made:
// they keep them when they end, and kube-proxy's own --cleanup knows neither
// kubelet's nor the plugins'.
func removeChains(ctx context.Context, tool string) error {
	saved, err := run.Output(ctx, tool+"-save")
	if err != nil {
		return fmt.Errorf("list the rules of %s: %w", tool, err)
	}
	script := chainRemoval(saved)
	if script == "" {
		return nil
	}
	restore := run.Command{Name: tool + "-restore", Args: []string{"-w", "--noflush"}, Stdin: strings.NewReader(script)}
	if _, err := restore.Output(ctx); err != nil {
		return fmt.Errorf("remove Kubernetes' rules from %s: %w", tool, err)
	}
	return nil
}

// chainRemoval turns what iptables-save wrote into what iptables-restore must
// read so that the chains of Kubernetes' programs, and the rules that lead to
// them, are gone.
func chainRemoval(saved string) string {
	var out, table strings.Builder
	var chains []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table.Reset()
			chains = nil
			table.WriteString(line + "\n")
		case strings.HasPrefix(line, ":") && ours(strings.Fields(line[1:])[0]):
			chains = append(chains, strings.Fields(line[1:])[0])
		case strings.HasPrefix(line, "-A "):
			fields := strings.Fields(line)
			if ours(fields[1]) {
				continue // goes with its chain
			}
			for i, field := range fields[:len(fields)-1] {
				if (field == "-j" || field == "-g") && ours(fields[i+1]) {
					table.WriteString("-D " + strings.TrimPrefix(line, "-A ") + "\n")
				}
			}
		case line == "COMMIT" && len(chains) > 0:
			out.WriteString(table.String())
			for _, chain := range chains {
				out.WriteString("-F " + chain + "\n")
			}
			for _, chain := range chains {
				out.WriteString("-X " + chain + "\n")
			}
			out.WriteString("COMMIT\n")
		}
	}
	return out.String()
}

func ours(chain string) bool {
	for _, prefix := range chainPrefixes {
		if strings.HasPrefix(chain, prefix) {
			return true
		}
	}
	return false
}
