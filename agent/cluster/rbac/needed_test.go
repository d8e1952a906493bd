package rbac

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/configmap"
)

func TestNeeds(t *testing.T) {
	own := SecretNames{Server: "b-tls", Client: "b-tls-client"}
	names := func(rights []Right) string {
		var all []string
		for _, r := range rights {
			all = append(all, r.String())
		}
		return strings.Join(all, ", ")
	}
	target := func(kind string, is Target) Target {
		is.Kind, is.Namespace, is.Secrets = kind, "ci", own
		return is
	}
	running := Target{Exists: true, Replicas: 1}
	got := names(Needed(configmap.TransportDirect, target("Deployment", running), "u"))
	want := "list pods, watch pods, get pods/log, list events, watch events, get deployments, list deployments, watch deployments, get secrets b-tls-client"
	if got != want {
		t.Errorf("a builder that runs: %s\nwant %s", got, want)
	}
	applies, looks := running, Target{Looks: true}
	applies.Applies, applies.PrivateFiles = true, true
	if got := names(Needed(configmap.TransportDirect, target("Deployment", looks), "u")); got != want {
		t.Errorf("a command that only looks: %s\nwant %s", got, want)
	}
	for name, words := range map[string]struct {
		pinned configmap.Transport
		is     Target
		want   string
	}{
		"up to date":     {configmap.TransportAuto, applies, "update statefulsets, "},
		"files":          {configmap.TransportAuto, applies, "get secrets, update secrets, "},
		"no workload":    {configmap.TransportAuto, Target{}, "create statefulsets, "},
		"certificates":   {configmap.TransportAuto, Target{}, "update secrets b-tls, "},
		"scaled to zero": {configmap.TransportAuto, Target{Exists: true}, "patch statefulsets/scale, "},
		"exec":           {configmap.TransportExec, running, "create pods/exec, get pods/exec, "},
	} {
		got := names(Needed(words.pinned, target("StatefulSet", words.is), "u")) + ", "
		if !strings.Contains(got, words.want) || strings.Contains(got, "deployments") {
			t.Errorf("%s: %s lacks %s", name, got, words.want)
		}
	}
}

func TestWeigh(t *testing.T) {
	right := func(words string) Right {
		verb, resource, _ := strings.Cut(words, " ")
		return Right{Verb: verb, Resource: resource}
	}
	for _, tt := range []struct {
		name            string
		pinned          configmap.Transport
		missing         []string
		lacking, lesser []string
	}{
		{name: "nothing", pinned: configmap.TransportAuto},
		{"pods", configmap.TransportAuto, []string{"list pods", "watch pods"}, []string{"list pods"}, []string{"watch pods"}},
		{"reasons", configmap.TransportAuto, []string{"list events", "get pods/log"}, nil, []string{"list events", "get pods/log"}},
		{"exec stands in", configmap.TransportAuto, []string{"get secrets", "create pods/portforward"}, nil, []string{"get secrets", "create pods/portforward"}},
		{"nothing stands in", configmap.TransportAuto, []string{"get secrets", "create pods/exec"}, []string{"get secrets", "create pods/exec"}, nil},
		{"direct is enough", configmap.TransportAuto, []string{"create pods/exec", "get pods/portforward"}, nil, []string{"create pods/exec", "get pods/portforward"}},
		{"direct is asked for", configmap.TransportDirect, []string{"get secrets"}, []string{"get secrets"}, nil},
		{"exec is asked for", configmap.TransportExec, []string{"get pods/exec", "get replicasets"}, []string{"get pods/exec"}, []string{"get replicasets"}},
		{"no workload", configmap.TransportAuto, []string{"create deployments"}, []string{"create deployments"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var missing []Right
			for _, m := range tt.missing {
				missing = append(missing, right(m))
			}
			got := Weigh(tt.pinned, missing)
			if diff := cmp.Diff(Rights{Lacking: tt.lacking, Lesser: tt.lesser}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWithoutExec(t *testing.T) {
	exec := Right{Verb: "create", Resource: "pods/exec"}
	set := Right{Verb: "get", Resource: "replicasets", Group: "apps"}
	certificate := Right{Verb: "get", Resource: "secrets"}
	if left := WithoutExec([]Right{exec, set}); len(left) > 0 {
		t.Errorf("missed: %v", left)
	}
	if left := WithoutExec([]Right{exec, certificate}); len(left) != 2 {
		t.Errorf("missed by an agent that may not read its certificate: %v", left)
	}
}

// TestManifestHoldsAllThatIsMissingOnce has two nodes of one builder, of which one
// has files with private keys.
func TestManifestHoldsAllThatIsMissingOnce(t *testing.T) {
	of := func(workload string, rights ...Right) Rights {
		for i := range rights {
			rights[i].User, rights[i].Namespace = "system:serviceaccount:ci:agent", "ci"
		}
		return Rights{Missing: rights, Own: SecretNames{Server: workload + "-tls", Client: workload + "-tls-client"}}
	}
	amd := of("amd",
		Right{Verb: "list", Resource: "pods"},
		Right{Verb: "get", Resource: "secrets", Name: "amd-tls-client"},
		Right{Verb: "create", Resource: "deployments", Group: "apps"},
	)
	arm := of("arm",
		Right{Verb: "list", Resource: "pods"},
		Right{Verb: "get", Resource: "secrets", Name: "arm-tls-client"},
		Right{Verb: "create", Resource: "deployments", Group: "apps"},
		Right{Verb: "get", Resource: "secrets"},
	)
	got := Manifest(amd, arm)
	for _, words := range []string{
		"name: slipway-build\n", "name: slipway-manage\n",
		"name: slipway-amd-tls-client\n", "name: slipway-amd-tls\n", "name: slipway-arm-tls-client\n", "name: slipway-arm-tls\n",
	} {
		if n := strings.Count(got, words); n != 3 { // the Role, the binding and what it refers to
			t.Errorf("%q %d times in:\n%s", words, n, got)
		}
	}
	if n := strings.Count(got, "  - pods/log\n"); n != 2 { // of slipway-build, and of slipway-manage
		t.Errorf("a rule %d times in:\n%s", n, got)
	}
	if !strings.HasPrefix(got, "---\n") || strings.Count(got, "---\n") != 2*6 {
		t.Errorf("not a document for each of six roles and their bindings:\n%s", got)
	}
	other := amd
	other.Missing = []Right{{User: "system:serviceaccount:ci:agent", Namespace: "other", Verb: "list", Resource: "pods"}}
	if got := Manifest(amd, other); !strings.Contains(got, "namespace: other\n") || strings.Count(got, "name: slipway-build\n") != 6 {
		t.Errorf("of two namespaces:\n%s", got)
	}
	if got := Manifest(Rights{}); got != "" {
		t.Errorf("of nothing %q", got)
	}
}
