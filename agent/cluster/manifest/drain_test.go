package manifest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/configmap"
)

// The lines of /proc/net/tcp and tcp6, as kernels write them.
const (
	tcpHead     = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	listening   = "   0: 00000000:04D2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0000000000000000 100 0 0 10 0\n"
	established = "   1: 0500F40A:04D2 0900F40A:9C40 01 00000000:00000000 02:00000A6B 00000000     0        0 42 2 0000000000000000 20 4 30 10 -1\n"
	leftBehind  = "   2: 0500F40A:04D2 0900F40A:9C41 08 00000001:00000000 02:00000A6B 00000000     0        0 43 2 0000000000000000 20 4 30 10 -1\n"
	sentAgain   = "   5: 0500F40A:04D2 0900F40A:9C45 01 0000011A:00000000 01:00000A6B 00000007     0        0 48 2 0000000000000000 20 4 30 10 -1\n"
	gone        = "   6: 0500F40A:04D2 0900F40A:9C46 01 0000011A:00000000 01:00000A6B 00000008     0        0 49 2 0000000000000000 20 4 30 10 -1\n"
	outgoing    = "   3: 0500F40A:9C42 0900F40A:04D2 01 00000000:00000000 02:00000A6B 00000000     0        0 44 2 0000000000000000 20 4 30 10 -1\n"
	other       = "   4: 0500F40A:1F90 0900F40A:9C43 01 00000000:00000000 02:00000A6B 00000000     0        0 45 2 0000000000000000 20 4 30 10 -1\n"
	tcp6Head    = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	listening6  = "   0: 00000000000000000000000000000000:04D2 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 46 1 0000000000000000 100 0 0 10 0\n"
	mapped      = "   1: 0000000000000000FFFF00000500F40A:04D2 0000000000000000FFFF00000900F40A:9C44 01 00000000:00000000 02:00000A6B 00000000     0        0 47 2 0000000000000000 20 4 30 10 -1\n"
)

// look is what the script sees in /proc once.
type look struct {
	tcp, tcp6 string
	processes [][]string
}

// TestDrainScript runs the script on a /proc of the test's own, where one look
// follows on the other with each sleep.
func TestDrainScript(t *testing.T) {
	// The script and what it runs are processes too.
	grep := regexp.MustCompile("grep (-qx) '(.*)'").FindStringSubmatch(drainScript)
	daemon := [][]string{{"buildkitd", "--addr", "tcp://:1234"}, {"sh", "-c", drainScript}, grep}
	idle := look{tcp: tcpHead + listening, tcp6: tcp6Head + listening6, processes: daemon}
	tcp := look{tcp: tcpHead + listening + established, tcp6: tcp6Head, processes: daemon}
	tcp6 := look{tcp: tcpHead, tcp6: tcp6Head + listening6 + mapped, processes: daemon}
	exec := look{tcp: tcpHead, tcp6: tcp6Head, processes: append(daemon, []string{"buildctl", "dial-stdio"})}
	emulated := look{processes: append(daemon, []string{"/usr/bin/qemu-aarch64-static", "/usr/bin/buildctl", "buildctl", "dial-stdio"})}
	cases := map[string]struct {
		looks []look
		// want is how many looks there are until the script ends.
		want int
	}{
		"nobody":                       {[]look{idle, idle, idle}, 2},
		"nothing to see":               {[]look{{}, {}, {}}, 2},
		"a build over IPv4":            {[]look{tcp, tcp, idle, idle, idle}, 4},
		"a build over IPv6":            {[]look{tcp6, tcp6, tcp6, idle, idle, idle}, 5},
		"a build over exec":            {[]look{exec, idle, idle, idle}, 3},
		"a build over exec, emulated":  {[]look{emulated, idle, idle, idle}, 3},
		"between two connections":      {[]look{idle, tcp, idle, exec, idle, idle, idle}, 6},
		"a client that has closed":     {[]look{{tcp: tcpHead + leftBehind}, {tcp: tcpHead + leftBehind}, idle}, 2},
		"a client that is slow":        {[]look{{tcp: tcpHead + sentAgain}, {tcp: tcpHead + gone}, idle, idle}, 3},
		"a client that has vanished":   {[]look{{tcp: tcpHead + gone}, {tcp: tcpHead + gone}, idle}, 2},
		"a connection to a registry":   {[]look{{tcp: tcpHead + outgoing}, {tcp: tcpHead + outgoing}, idle}, 2},
		"a connection to another port": {[]look{{tcp: tcpHead + other}, {tcp: tcpHead + other}, idle}, 2},
		"a probe":                      {[]look{{processes: [][]string{{"buildctl", "debug", "workers"}}}, idle, idle}, 2},
	}
	for _, shell := range []string{"sh", "busybox"} {
		command, err := shellCommand(shell)
		if err != nil {
			t.Logf("without %s: %v", shell, err)
			continue
		}
		for name, c := range cases {
			t.Run(shell+"/"+name, func(t *testing.T) {
				if got := looksUntilEnd(t, command, c.looks); got != c.want {
					t.Errorf("it ended after %d looks, want %d", got, c.want)
				}
			})
		}
	}
}

// shellCommand is the command line that a script is appended to.
func shellCommand(shell string) ([]string, error) {
	path, err := exec.LookPath(shell)
	if shell == "busybox" {
		return []string{path, "sh", "-c"}, err
	}
	return []string{path, "-c"}, err
}

// looksUntilEnd runs the script. It ends when it wants to or, having seen all
// looks, when sleep fails; that counts as one look more.
func looksUntilEnd(t *testing.T, command []string, looks []look) int {
	t.Helper()
	dir := t.TempDir()
	for i, l := range looks {
		proc := filepath.Join(dir, strconv.Itoa(i+1))
		write(t, filepath.Join(proc, "net", "tcp"), l.tcp)
		write(t, filepath.Join(proc, "net", "tcp6"), l.tcp6)
		for pid, args := range l.processes {
			write(t, filepath.Join(proc, strconv.Itoa(pid+1), "cmdline"), strings.Join(args, "\x00")+"\x00")
		}
		write(t, filepath.Join(proc, "9", "cmdline"), "") // a zombie has none
	}
	script := fmt.Sprintf(`cd %q
at=1
ln -s 1 proc
sleep() {
  at=$((at + 1))
  echo "$at" > at
  test -d "$at" && rm proc && ln -s "$at" proc
}
echo 1 > at
`, dir) + strings.ReplaceAll(drainScript, "/proc", "proc")
	out, err := exec.CommandContext(t.Context(), command[0], append(command[1:], script)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	at, err := os.ReadFile(filepath.Join(dir, "at"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(at)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDrainScriptNamesThePort: a script in which the number is a variable would
// be no easier to read.
func TestDrainScriptNamesThePort(t *testing.T) {
	if port := fmt.Sprintf(":%04X ", ListenPort); !strings.Contains(drainScript, port) {
		t.Errorf("the script does not look for %q", port)
	}
}

func TestDrainOfThePod(t *testing.T) {
	const evict, disrupt = "cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"
	marks := func(evicted, disrupted string) map[string]string {
		return map[string]string{evict: evicted, disrupt: disrupted}
	}
	cases := map[string]struct {
		change func(*configmap.Node)
		grace  int64
		marks  map[string]string
		hook   []string
	}{
		"default":     {nil, 3600, marks("false", "true"), []string{"sh", "-c", drainScript}},
		"grace":       {func(n *configmap.Node) { n.Kubernetes.TerminationGrace = 90 * time.Second }, 90, marks("false", "true"), []string{"sh", "-c", drainScript}},
		"rootless":    {func(n *configmap.Node) { n.Kubernetes.Rootless = true }, 3600, marks("false", "true"), []string{"sh", "-c", drainScript}},
		"exec":        {func(n *configmap.Node) { n.Kubernetes.Transport = configmap.TransportExec }, 3600, marks("false", "true"), []string{"sh", "-c", drainScript}},
		"annotations": {func(n *configmap.Node) { n.Kubernetes.Annotations = map[string]string{evict: "true"} }, 3600, marks("true", "true"), []string{"sh", "-c", drainScript}},
		"podTemplate": {func(n *configmap.Node) {
			n.Kubernetes.PodTemplate = []byte(`{"metadata":{"annotations":{"` + evict + `":"true","` + disrupt + `":"4h"}},
				"spec":{"terminationGracePeriodSeconds":7,"containers":[{"name":"buildkitd","lifecycle":{"preStop":{"exec":{"command":["own"]}}}}]}}`)
		}, 7, marks("true", "4h"), []string{"own"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o, err := Of(clustertest.Node(c.change), "ci")
			if err != nil {
				t.Fatal(err)
			}
			template := o.Deployment.Spec.Template
			if got := *template.Spec.TerminationGracePeriodSeconds; got != c.grace {
				t.Errorf("grace period of %d s, want %d", got, c.grace)
			}
			got := marks(template.Annotations[evict], template.Annotations[disrupt])
			if diff := cmp.Diff(c.marks, got); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			container := template.Spec.Containers[0]
			if diff := cmp.Diff(c.hook, container.Lifecycle.PreStop.Exec.Command); diff != "" {
				t.Errorf("hook (-want +got):\n%s", diff)
			}
			for _, probe := range []*corev1.Probe{container.LivenessProbe, container.StartupProbe} {
				if probe.TerminationGracePeriodSeconds == nil || *probe.TerminationGracePeriodSeconds >= c.grace && c.grace > 60 {
					t.Error("a buildkitd that is stuck is given as long as one that builds")
				}
			}
		})
	}
}

func TestRollout(t *testing.T) {
	o, err := Of(clustertest.Node(nil), "ci")
	if err != nil {
		t.Fatal(err)
	}
	if r := o.Deployment.Spec.Strategy.RollingUpdate; r == nil || r.MaxUnavailable.String() != "0" || r.MaxSurge.String() != "25%" {
		t.Errorf("a rollout stops pods before others are ready: %v", r)
	}
	o, err = Of(clustertest.Node(func(n *configmap.Node) { n.Kubernetes.ClaimStorage = clustertest.Quantity("1Gi") }), "ci")
	if err != nil {
		t.Fatal(err)
	}
	if o.StatefulSet.Spec.UpdateStrategy.Type != "RollingUpdate" {
		t.Errorf("a StatefulSet's pods are not replaced by a rollout: %v", o.StatefulSet.Spec.UpdateStrategy)
	}
}
