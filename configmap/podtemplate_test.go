package configmap

import (
	"strings"
	"testing"
)

func TestPodTemplate(t *testing.T) {
	for _, test := range []struct {
		name, patch string // YAML in flow style
		want        []string
		hint        string
	}{
		{"empty", "{}", nil, ""},
		{"much of it", `{metadata: {labels: {team: x}, annotations: {a: b}}, spec: {hostUsers: false, runtimeClassName: gvisor, terminationGracePeriodSeconds: 600,
			topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}],
			containers: [{name: buildkitd, resources: {limits: {cpu: 2}}, volumeMounts: [{name: v, mountPath: /v}]}, {name: sidecar, image: x}],
			volumes: [{name: v, csi: {driver: d}}]}}`, nil, ""},
		{"null deletes", "{spec: {serviceAccountName: null}}", nil, ""},
		{"directives", `{spec: {volumes: [{name: v, emptyDir: {}}, {name: w, $patch: delete}], $setElementOrder/volumes: [{name: v}],
			tolerations: [{$patch: replace}, {key: a, operator: Exists}], containers: [{name: buildkitd, lifecycle: {$retainKeys: [preStop], preStop: {exec: {command: [x]}}}}]}}`, nil, ""},
		{"string", "x", []string{"Slipway.podTemplate: must be an object, not a string"}, ""},
		{"unknown keys", "{specs: {}, spec: {tolerashuns: [], containers: [{name: buildkitd, resorces: {}}]}, metadata: {label: {}}}", []string{
			"Slipway.podTemplate.specs: unknown key", "Slipway.podTemplate.spec.tolerashuns: unknown key", "Slipway.podTemplate.spec.containers[0].resorces: unknown key", "Slipway.podTemplate.metadata.label: unknown key",
		}, "did you mean \"labels\"?\ndid you mean \"resources\"?\ndid you mean \"tolerations\"?\ndid you mean \"spec\"?"},
		{"another case", "{spec: {PriorityClassName: x}}", []string{"Slipway.podTemplate.spec.PriorityClassName: unknown key"}, `did you mean "priorityClassName"?`},
		{"wrong type", "{spec: {priority: high}}", []string{"Slipway.podTemplate: is no patch of a pod template: cannot unmarshal string"}, ""},
		{"wrong quantity", "{spec: {containers: [{name: buildkitd, resources: {limits: {cpu: much}}}]}}", []string{"is no patch of a pod template: "}, ""},
		{"list without its key", "{spec: {containers: [{image: x}]}}", []string{"Slipway.podTemplate: is no strategic-merge patch of a pod template:"}, ""},
		{"unknown directive", "{spec: {$pach: replace}}", []string{"Slipway.podTemplate.spec.$pach: unknown directive"}, `did you mean "$patch"?`},
		{"directive with a wrong value", "{spec: {$patch: remove, $retainKeys: x, $setElementOrder: []}}", []string{
			"spec.$patch: must be replace, merge or delete", "spec.$retainKeys: must be a list, not a string", "spec.$setElementOrder: $setElementOrder is written as",
		}, ""},
		{"label app", "{metadata: {labels: {app: other}}}", []string{`must leave the label "app" alone`}, ""},
		{"labels replaced", "{metadata: {labels: {$patch: replace, a: b}}}", []string{`must leave the label "app" alone`}, ""},
		{"container removed", "{spec: {containers: [{name: buildkitd, $patch: delete}]}}", []string{"must leave the container buildkitd in place"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := "Name: a\nDriver: kubernetes\nSlipway: {podTemplate: " + strings.ReplaceAll(test.patch, "\t", " ") + "}\nNodes: [{Name: m}]\n"
			checkProblems(t, text, test.want, test.hint)
			d, problems := load(t, text)
			if got := d.Nodes[0].Kubernetes.PodTemplate != nil; got != (len(problems) == 0) {
				t.Errorf("a patch was returned: %v, with problems %v", got, problems)
			}
		})
	}
}

func TestPodTemplateKeepsIntegersAndDirectives(t *testing.T) {
	d, problems := load(t, "Name: a\nDriver: kubernetes\nSlipway: {podTemplate: {spec: {activeDeadlineSeconds: 9007199254740993, volumes: [{name: v, $patch: delete}]}}}\nNodes: [{Name: m}]\n")
	const want = `{"spec":{"activeDeadlineSeconds":9007199254740993,"volumes":[{"$patch":"delete","name":"v"}]}}`
	if got := string(d.Nodes[0].Kubernetes.PodTemplate); len(problems) > 0 || got != want {
		t.Errorf("got %s, %v, want %s", got, problems, want)
	}
}
