package configmap

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	kjson "sigs.k8s.io/json"
)

// patchedBase is the part of a pod template that a patch must leave as it is:
// the workload is found by the label, buildkitd by the container's name.
const patchedBase = `{"metadata":{"labels":{"app":"builder"}},"spec":{"containers":[{"name":"buildkitd"}]}}`

// readPodTemplate checks a strategic-merge patch against the schema of a pod
// template and returns it as JSON.
func readPodTemplate(value any, r report) (json.RawMessage, bool) {
	if _, ok := value.(map[string]any); !ok {
		r.bad("must be an object, not %s", describe(value))
		return nil, false
	}
	patch, err := json.Marshal(value)
	if err != nil {
		r.bad("%v", err)
		return nil, false
	}
	before := len(r.found.problems)
	plain := withoutDirectives(value, r)
	checkPodTemplate(plain, r)
	if len(r.found.problems) == before {
		checkPatch(patch, r)
	}
	if len(r.found.problems) > before {
		return nil, false
	}
	return patch, true
}

// checkPodTemplate decodes strictly, so that every key that Kubernetes does not
// know comes to light.
func checkPodTemplate(tree any, r report) {
	text, err := json.Marshal(tree)
	if err != nil {
		r.bad("%v", err)
		return
	}
	var template corev1.PodTemplateSpec
	unknown, err := kjson.UnmarshalStrict(text, &template)
	if err != nil {
		r.bad("is no patch of a pod template: %s", strings.TrimPrefix(err.Error(), "json: "))
		return
	}
	for _, one := range unknown {
		known := kjson.FieldError(nil)
		if !errors.As(one, &known) {
			r.bad("%v", one)
			continue
		}
		path := known.FieldPath()
		parent, last := "", path
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			parent, last = path[:i], path[i+1:]
		}
		r.key(path).hinting("%s", didYouMean(last, jsonKeys(reflect.TypeFor[corev1.PodTemplateSpec](), parent))).bad("unknown key")
	}
}

// checkPatch applies the patch to the least of pod templates.
func checkPatch(patch []byte, r report) {
	merged, err := strategicpatch.StrategicMergePatch([]byte(patchedBase), patch, corev1.PodTemplateSpec{})
	if err != nil {
		r.bad("is no strategic-merge patch of a pod template: %s", strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	var template corev1.PodTemplateSpec
	if err := json.Unmarshal(merged, &template); err != nil {
		r.bad("is no patch of a pod template: %v", err)
		return
	}
	if template.Labels[labelApp] != "builder" {
		r.bad("must leave the label %q alone: the workload is found by it", labelApp)
	}
	if !slices.ContainsFunc(template.Spec.Containers, func(c corev1.Container) bool { return c.Name == "buildkitd" }) {
		r.bad("must leave the container buildkitd in place")
	}
}

// withoutDirectives returns a copy of a patch without the keys that tell how to
// merge, which are no part of a pod template.
func withoutDirectives(value any, r report) any {
	switch v := value.(type) {
	case map[string]any:
		plain := make(map[string]any, len(v))
		for key, element := range v {
			if !strings.HasPrefix(key, "$") {
				plain[key] = withoutDirectives(element, r.key(key))
				continue
			}
			checkDirective(key, element, r.key(key))
		}
		return plain
	case []any:
		plain := make([]any, len(v))
		for i, element := range v {
			plain[i] = withoutDirectives(element, r.index(i))
		}
		return plain
	}
	return value
}

func checkDirective(key string, value any, r report) {
	name, field, _ := strings.Cut(key, "/")
	switch name {
	case "$patch":
		if s, ok := value.(string); !ok || !slices.Contains([]string{"replace", "merge", "delete"}, s) {
			r.bad("must be replace, merge or delete")
		}
	case "$retainKeys", "$setElementOrder", "$deleteFromPrimitiveList":
		if _, ok := value.([]any); !ok {
			r.bad("must be a list, not %s", describe(value))
		}
		if (name == "$retainKeys") != (field == "") {
			r.bad("%s is written as $retainKeys, $setElementOrder/<list> or $deleteFromPrimitiveList/<list>", key)
		}
	default:
		r.hinting("%s", didYouMean(name, []string{"$patch", "$retainKeys", "$setElementOrder", "$deleteFromPrimitiveList"})).bad("unknown directive")
	}
}

// jsonKeys lists the keys of the object at a path ("spec.containers[0]") below
// a type.
func jsonKeys(t reflect.Type, path string) []string {
	for part := range strings.SplitSeq(path, ".") {
		name, _, _ := strings.Cut(part, "[")
		if name == "" {
			continue
		}
		t = jsonKey(t, name)
		for t != nil && slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map}, t.Kind()) {
			t = t.Elem()
		}
	}
	var keys []string
	if t != nil && t.Kind() == reflect.Struct {
		eachJSONKey(t, func(key string, _ reflect.Type) { keys = append(keys, key) })
	}
	return keys
}

func jsonKey(t reflect.Type, name string) (found reflect.Type) {
	if t != nil && t.Kind() == reflect.Struct {
		eachJSONKey(t, func(key string, of reflect.Type) {
			if key == name {
				found = of
			}
		})
	}
	return found
}

func eachJSONKey(t reflect.Type, visit func(string, reflect.Type)) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && strings.Contains(options, "inline"):
			eachJSONKey(f.Type, visit)
		case name != "" && name != "-":
			visit(name, f.Type)
		}
	}
}
