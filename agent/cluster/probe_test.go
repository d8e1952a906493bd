package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/configmap"
)

func TestBehind(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)
	ended := began.Add(300 * time.Millisecond)
	for _, tt := range []struct {
		name string
		date time.Time
		want time.Duration
	}{
		{"the same second", began.Truncate(time.Second), 0},
		{"the server is ahead", ended.Add(time.Minute), time.Minute},
		{"the server is behind", began.Add(-time.Minute - time.Second), -time.Minute},
	} {
		if got := behind(began, ended, tt.date); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestExecIsNotMissedWhereBuildersListen has a role without exec, as the chart
// makes it.
func TestExecIsNotMissedWhereBuildersListen(t *testing.T) {
	plain := clustertest.Node(func(n *configmap.Node) { n.Flags = []string{"--addr", "tcp://:1"} })
	running := func(listens ...bool) Status {
		s := Status{Exists: true, Replicas: 1}
		for _, l := range listens {
			s.Usable = append(s.Usable, kube.Pod{Listens: l})
		}
		return s
	}
	for _, tt := range []struct {
		name string
		node configmap.Node
		is   Status
		want bool
	}{
		{"pods listen", plain, running(true, true), true},
		{"one does not", clustertest.Node(nil), running(true, false), false},
		{"no pod, of a definition that listens", clustertest.Node(nil), running(), true},
		{"no pod, of one that does not", plain, running(), false},
	} {
		if got := listens(tt.node, "ci", tt.is); got != tt.want {
			t.Errorf("%s: listens: %v", tt.name, got)
		}
	}
}

func TestPlace(t *testing.T) {
	clusterNode := func(name, arch string, change func(*corev1.Node)) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/arch": arch, "kubernetes.io/os": "linux"}}}
		if change != nil {
			change(&n)
		}
		return n
	}
	withUsers := func(n *corev1.Node) {
		n.Status.NodeInfo.KubeletVersion = "v1.36.3"
		n.Status.RuntimeHandlers = []corev1.NodeRuntimeHandler{{Features: &corev1.NodeRuntimeHandlerFeatures{UserNamespaces: new(true)}}}
	}
	gpu := corev1.Taint{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule}
	all := []corev1.Node{
		clusterNode("plain", "amd64", withUsers),
		clusterNode("cordoned", "amd64", func(n *corev1.Node) { withUsers(n); n.Spec.Unschedulable = true }),
		clusterNode("gpu", "amd64", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{gpu} }),
		clusterNode("down", "amd64", func(n *corev1.Node) {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Message: "no news"}}
		}),
		clusterNode("arm", "arm64", nil),
	}
	amd := configmap.Node{Platforms: []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}}
	got := place(corev1.PodSpec{NodeSelector: map[string]string{"kubernetes.io/arch": "amd64"}}, amd, all)
	want := Places{Fit: []string{"plain"}, UserNamespaces: []string{"plain"}, Native: true, Unfit: []string{
		"cordoned: cordoned", "gpu: taint gpu=yes:NoSchedule", "down: not ready: no news",
		"arm: has not the labels kubernetes.io/arch=amd64 (architecture arm64)",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	tolerant := corev1.PodSpec{Tolerations: []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}}
	if got := place(tolerant, amd, all[2:3]); len(got.Fit) != 1 {
		t.Errorf("the taint is tolerated: %+v", got)
	}
	if got := place(corev1.PodSpec{}, amd, all[4:]); got.Native || len(got.Fit) != 1 {
		t.Errorf("an arm64 machine is not amd64's own: %+v", got)
	}
}

func TestExceeded(t *testing.T) {
	list := func(name corev1.ResourceName, value string) corev1.ResourceList {
		return corev1.ResourceList{name: resource.MustParse(value)}
	}
	quota := func(name corev1.ResourceName, hard, used string) corev1.ResourceQuota {
		return corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Name: "small"},
			Status:     corev1.ResourceQuotaStatus{Hard: list(name, hard), Used: list(name, used)},
		}
	}
	scoped := quota("pods", "1", "1")
	scoped.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	node := configmap.Node{Kubernetes: &configmap.Kubernetes{Requests: list("memory", "2Gi"), Limits: list("cpu", "4")}}
	for _, tt := range []struct {
		name  string
		quota corev1.ResourceQuota
		want  string
	}{
		{"room", quota("pods", "2", "1"), ""},
		{"pods", quota("pods", "1", "1"), "quota small: pods: 1 wanted, 0 of 1 left"},
		{"requests", quota("requests.memory", "3Gi", "2Gi"), "quota small: requests.memory: 2Gi wanted, 1Gi of 3Gi left"},
		{"the short name", quota("memory", "3Gi", "2Gi"), "quota small: memory: 2Gi wanted, 1Gi of 3Gi left"},
		{"limits", quota("limits.cpu", "4", "1"), "quota small: limits.cpu: 4 wanted, 3 of 4 left"},
		{"not asked for", quota("requests.cpu", "0", "0"), ""},
		{"scoped", scoped, ""},
	} {
		if got := strings.Join(exceeded(node, []corev1.ResourceQuota{tt.quota}).Exceeded, ";"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
