package cluster

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/diff"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

// TestDriftClaimsNoMoreThanWasCompared has what somebody changed by hand, which
// the definition does not speak of, and agents that may not see all of it.
func TestDriftClaimsNoMoreThanWasCompared(t *testing.T) {
	byHand := func(d *appsv1.Deployment) {
		c := &d.Spec.Template.Spec.Containers[0]
		c.Env = append(c.Env, corev1.EnvVar{Name: "EXTRA", Value: "1"})
	}
	for _, tt := range []struct {
		name      string
		forbidden []string
		want      Drift
	}{
		{name: "all rights", want: Drift{Lines: []string{"spec.template.spec.containers[buildkitd].env[EXTRA]: only in the cluster"}}},
		{
			name: "the role to build", forbidden: []string{"PUT deployments", "GET configmaps", "GET secrets"},
			want: Drift{Partial: "without the rights to update deployments, get configmaps and get secrets"},
		},
		{name: "no right to read files", forbidden: []string{"GET configmaps"}, want: Drift{
			Lines:   []string{"spec.template.spec.containers[buildkitd].env[EXTRA]: only in the cluster"},
			Partial: "without the right to get configmaps",
		}},
	} {
		p := newFakeAPI(t).holding(driftNode("", nil), byHand)
		p.forbidden = tt.forbidden
		got, err := p.client(io.Discard).Drift(t.Context(), driftNode("", nil))
		if err != nil {
			t.Fatal(err)
		}
		if differ := cmp.Diff(tt.want, got); differ != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, differ)
		}
	}
}

// TestDriftOfAWorkloadThatIsWritten has the deployment controller write a status
// between the look at a workload and the question what would become of it.
func TestDriftOfAWorkloadThatIsWritten(t *testing.T) {
	byHand := func(d *appsv1.Deployment) {
		c := &d.Spec.Template.Spec.Containers[0]
		c.Env = append(c.Env, corev1.EnvVar{Name: "EXTRA", Value: "1"})
	}
	p := newFakeAPI(t).holding(driftNode("", nil), byHand)
	p.before["TRY deployments"] = func() {
		d := p.deployment().DeepCopy()
		d.Status.ReadyReplicas++
		p.mu.Lock()
		defer p.mu.Unlock()
		p.keep("deployments", d)
	}
	got, err := p.client(io.Discard).Drift(t.Context(), driftNode("", nil))
	if err != nil || len(got.Lines) != 1 {
		t.Errorf("%+v, error %v; want the variable", got, err)
	}
}

// TestDriftOfFiles says which side has a file, and that a hash differs only
// where nothing else does.
func TestDriftOfFiles(t *testing.T) {
	files := func(n *configmap.Node) {
		n.Files = map[string][]byte{"buildkitd.toml": []byte("debug = false\n"), "extra.toml": nil}
	}
	p := newFakeAPI(t).holding(driftNode("", nil), nil)
	got, err := p.client(io.Discard).Drift(t.Context(), driftNode("", files))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"configmap builder-amd64-config[buildkitd.toml]: other content than in the definition",
		"configmap builder-amd64-config[extra.toml]: only in the definition",
	} {
		if !slices.Contains(got.Lines, want) {
			t.Errorf("%q lacks %q", got.Lines, want)
		}
	}
	if strings.Contains(strings.Join(got.Lines, "\n"), "hash") {
		t.Errorf("a hash beside what it stands for: %q", got.Lines)
	}
	p.forbidden = []string{"PUT deployments", "GET configmaps", "GET secrets"}
	content := func(n *configmap.Node) { n.Files["buildkitd.toml"] = []byte("debug = false\n") }
	got, err = p.client(io.Discard).Drift(t.Context(), driftNode("", content))
	if err != nil || !slices.Equal(got.Lines, []string{diff.HashLine}) || got.Partial == "" {
		t.Errorf("files that may not be read: %+v, error %v", got, err)
	}
}

// TestOneWarningOfAllThatHasDrifted has nodes that differ in the same and in
// something else.
func TestOneWarningOfAllThatHasDrifted(t *testing.T) {
	var d Drifts
	if line := d.Take(); line != "" {
		t.Errorf("of nothing: %q", line)
	}
	d.Note("deployment a in namespace ci", "image: x")
	if line := d.Take(); line != "deployment a in namespace ci is not as its definition says: image: x; if the definition here is the newer one, slipway up brings it up to date" {
		t.Errorf("of one: %q", line)
	}
	d.Note("deployment b in namespace ci", "image: x")
	d.Note("deployment a in namespace ci", "image: x")
	d.Note("deployment a in namespace ci", "image: x")
	if line := d.Take(); line != "deployment a in namespace ci and deployment b in namespace ci are not as their definition says: image: x; if the definition here is the newer one, slipway up brings them up to date" {
		t.Errorf("of two: %q", line)
	}
	d.Note("deployment b in namespace ci", "args: y")
	d.Note("deployment a in namespace ci", "image: x")
	if line := d.Take(); line != "deployment a in namespace ci is not as its definition says: image: x; deployment b in namespace ci is not as its definition says: args: y; if the definition here is the newer one, slipway up brings them up to date" {
		t.Errorf("of two that differ: %q", line)
	}
	if line := d.Take(); line != "" {
		t.Errorf("told before: %q", line)
	}
}

// TestDriftIsHeldBack has a build with a display: nothing is logged while it is
// open, and the warning is there once.
func TestDriftIsHeldBack(t *testing.T) {
	p := newFakeAPI(t).holding(driftNode(configmap.DriftWarn, nil), nil)
	var log bytes.Buffer
	client := p.client(&log)
	client.drifts = &Drifts{}
	for range 2 { // a build that looks for another pod
		if _, err := client.Up(t.Context(), driftNode(configmap.DriftWarn, debugging), func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged within the display: %s", log.String())
	}
	if line := client.drifts.Take(); !strings.HasPrefix(line, "deployment builder-amd64 in namespace ci is not as its definition says: spec.template") {
		t.Errorf("held back: %q", line)
	}
}

// TestDriftNamesOldPods has a workload that is as the definition says, and a pod
// of before.
func TestDriftNamesOldPods(t *testing.T) {
	p := newFakeAPI(t).holding(driftNode("", nil), nil)
	if got, err := p.client(io.Discard).Drift(t.Context(), driftNode("", nil)); err != nil || len(got.OldPods) > 0 {
		t.Errorf("pods of the template: %+v, error %v", got, err)
	}
	p.pods[0].Annotations = map[string]string{manifest.AnnotationSpecHash: "before"}
	if got, err := p.client(io.Discard).Drift(t.Context(), driftNode("", nil)); err != nil || !slices.Equal(got.OldPods, []string{p.pods[0].Name}) || len(got.Lines) > 0 {
		t.Errorf("a pod of before: %+v, error %v", got, err)
	}
}

// TestStatusWithoutItsPods keeps what is known of a workload whose pods may not be
// listed.
func TestStatusWithoutItsPods(t *testing.T) {
	p := newFakeAPI(t).holding(driftNode("", nil), nil)
	p.forbidden = []string{"GET pods"}
	s, err := p.client(io.Discard).Status(t.Context(), driftNode("", nil))
	if known := (*kube.Error)(nil); !errors.As(err, &known) || known.Reason != kube.ReasonForbidden || !s.Exists || s.Replicas != 1 {
		t.Errorf("%+v, error %v", s, err)
	}
}
