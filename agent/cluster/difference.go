package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxShown is how much of a value a line shows.
const maxShown = 80

// difference is one field that is not as it should be.
type difference struct {
	path string
	line string
}

// comparison compares trees of JSON, field by field.
type comparison struct {
	// wantedOnly leaves out what only the present object has: without the
	// API server's defaults nobody can tell that from what they fill in.
	wantedOnly bool
	found      []difference
}

// compareWorkloads lists the fields in which the workload that is differs from
// the one that should be, "spec.template.spec.containers[buildkitd].image: a ->
// b". What the cluster itself writes is not compared.
func compareWorkloads(is, should held, wantedOnly bool) ([]difference, error) {
	c := comparison{wantedOnly: wantedOnly}
	before, err := treeOf(is)
	if err != nil {
		return nil, err
	}
	after, err := treeOf(should)
	if err != nil {
		return nil, err
	}
	c.fields("", before, after)
	// The hash stands for other fields or for files, which say more.
	others := slices.DeleteFunc(slices.Clone(c.found), func(d difference) bool { return strings.HasSuffix(d.path, "["+annotationSpecHash+"]") })
	if len(others) > 0 {
		return others, nil
	}
	return c.found, nil
}

// treeOf is the part of a workload that people define.
func treeOf(h held) (map[string]any, error) {
	var spec any = h.deployment
	if h.statefulSet != nil {
		spec = h.statefulSet
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("compare the workload: %w", err)
	}
	var object struct {
		Metadata struct {
			Labels      map[string]any `json:"labels"`
			Annotations map[string]any `json:"annotations"`
		} `json:"metadata"`
		Spec map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("compare the workload: %w", err)
	}
	return map[string]any{
		"metadata": map[string]any{"labels": object.Metadata.Labels, "annotations": object.Metadata.Annotations},
		"spec":     object.Spec,
	}, nil
}

func (c *comparison) add(path, format string, args ...any) {
	c.found = append(c.found, difference{path, path + ": " + fmt.Sprintf(format, args...)})
}

func (c *comparison) fields(path string, before, after map[string]any) {
	keys := maps.Clone(before)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, after)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		at := key
		switch {
		case strings.ContainsAny(key, "./"): // labels and annotations
			at = path + "[" + key + "]"
		case path != "":
			at = path + "." + key
		}
		c.value(at, before[key], after[key])
	}
}

func (c *comparison) value(path string, before, after any) {
	if isNothing(after) && (isNothing(before) || c.wantedOnly) {
		return
	}
	switch a := after.(type) {
	case map[string]any:
		if b, ok := before.(map[string]any); ok {
			c.fields(path, b, a)
			return
		}
	case []any:
		if b, ok := before.([]any); ok {
			c.list(path, b, a)
			return
		}
	}
	if fmt.Sprint(before) != fmt.Sprint(after) {
		c.add(path, "%s -> %s", show(path, before), show(path, after))
	}
}

// isNothing is true for what JSON may as well leave out.
func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// list compares element by element where these have names.
func (c *comparison) list(path string, before, after []any) {
	by := keyOf(before, after)
	if by == "" {
		if show("", before) != show("", after) {
			c.add(path, "%s -> %s", show(path, before), show(path, after))
		}
		return
	}
	index := func(list []any) (names []string, elements map[string]any) {
		elements = map[string]any{}
		for _, element := range list {
			name := fmt.Sprint(element.(map[string]any)[by]) // keyOf has looked
			names, elements[name] = append(names, name), element
		}
		return names, elements
	}
	names, was := index(before)
	others, is := index(after)
	for _, name := range names {
		if is[name] == nil {
			c.add(path+"["+name+"]", "present -> absent")
		}
	}
	for _, name := range others {
		if was[name] == nil {
			c.add(path+"["+name+"]", "absent -> present")
			continue
		}
		c.value(path+"["+name+"]", was[name], is[name])
	}
	in := func(elements map[string]any) func(string) bool {
		return func(name string) bool { return elements[name] == nil }
	}
	if !slices.Equal(slices.DeleteFunc(names, in(is)), slices.DeleteFunc(others, in(was))) {
		c.add(path, "another order")
	}
}

// keyOf is the field that tells the elements of both lists apart, or empty.
func keyOf(lists ...[]any) string {
	for _, key := range []string{"name", "mountPath"} {
		if !slices.ContainsFunc(lists, func(list []any) bool { return !distinctBy(list, key) }) {
			return key
		}
	}
	return ""
}

func distinctBy(list []any, key string) bool {
	seen := map[string]bool{}
	for _, element := range list {
		object, _ := element.(map[string]any)
		name, ok := object[key].(string)
		if !ok || seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// show writes a value for a line. What a variable is set to may be a password
// and stays unsaid.
func show(path string, v any) string {
	if v == nil {
		return "absent"
	}
	if strings.Contains(path+"[", ".env[") {
		return "(not shown)"
	}
	text, ok := v.(string)
	if !ok {
		out, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		text = string(out)
	}
	if path != "" && len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

func lines(differences []difference) []string {
	out := make([]string, len(differences))
	for i, d := range differences {
		out[i] = d.line
	}
	return out
}
