package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/configmap"
)

func TestNeeds(t *testing.T) {
	own := secretNames{server: "b-tls", client: "b-tls-client"}
	names := func(rights []missingRight) string {
		var all []string
		for _, r := range rights {
			all = append(all, r.String())
		}
		return strings.Join(all, ", ")
	}
	target := func(kind string, is rightsTarget) rightsTarget {
		is.kind, is.namespace, is.secrets = kind, "ci", own
		return is
	}
	running := rightsTarget{exists: true, replicas: 1}
	got := names(needs(configmap.TransportDirect, target("Deployment", running), "u"))
	want := "list pods, watch pods, get pods/log, list events, watch events, get deployments, list deployments, watch deployments, get secrets b-tls-client"
	if got != want {
		t.Errorf("a builder that runs: %s\nwant %s", got, want)
	}
	for name, words := range map[string]struct {
		pinned configmap.Transport
		is     rightsTarget
		want   string
	}{
		"no workload":    {configmap.TransportAuto, rightsTarget{}, "create statefulsets, "},
		"certificates":   {configmap.TransportAuto, rightsTarget{}, "update secrets b-tls, "},
		"scaled to zero": {configmap.TransportAuto, rightsTarget{exists: true}, "patch statefulsets/scale, "},
		"exec":           {configmap.TransportExec, running, "create pods/exec, get pods/exec, "},
	} {
		got := names(needs(words.pinned, target("StatefulSet", words.is), "u")) + ", "
		if !strings.Contains(got, words.want) || strings.Contains(got, "deployments") {
			t.Errorf("%s: %s lacks %s", name, got, words.want)
		}
	}
}

func TestWeigh(t *testing.T) {
	right := func(words string) missingRight {
		verb, resource, _ := strings.Cut(words, " ")
		return missingRight{verb: verb, resource: resource}
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
			var missing []missingRight
			for _, m := range tt.missing {
				missing = append(missing, right(m))
			}
			got := weigh(tt.pinned, missing)
			if diff := cmp.Diff(Rights{Lacking: tt.lacking, Lesser: tt.lesser}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWithoutExec(t *testing.T) {
	exec := missingRight{verb: "create", resource: "pods/exec"}
	set := missingRight{verb: "get", resource: "replicasets", group: "apps"}
	certificate := missingRight{verb: "get", resource: "secrets"}
	if left := withoutExec([]missingRight{exec, set}); len(left) > 0 {
		t.Errorf("missed: %v", left)
	}
	if left := withoutExec([]missingRight{exec, certificate}); len(left) != 2 {
		t.Errorf("missed by an agent that may not read its certificate: %v", left)
	}
}

func TestGrantsHoldAllThatIsMissingOnce(t *testing.T) {
	own := secretNames{server: "b-tls", client: "b-tls-client"}
	missing := []missingRight{
		{user: "system:serviceaccount:ci:agent", verb: "list", resource: "pods", namespace: "ci"},
		{user: "system:serviceaccount:ci:agent", verb: "get", resource: "secrets", name: "b-tls-client", namespace: "ci"},
		{user: "system:serviceaccount:ci:agent", verb: "create", resource: "deployments", group: "apps", namespace: "ci"},
	}
	got := strings.Join(grants(missing, own), "")
	for _, words := range []string{"name: slipway-build\n", "name: slipway-b-tls-client\n", "name: slipway-manage\n", "name: slipway-b-tls\n"} {
		if n := strings.Count(got, words); n != 3 { // the Role, the binding and what it refers to
			t.Errorf("%q %d times in:\n%s", words, n, got)
		}
	}
	if grants(nil, own) != nil {
		t.Error("roles for nothing")
	}
}
