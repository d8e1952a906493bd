package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-build/slipway/agent/cluster/manifest"
)

// maxShown is how much of a value a line shows.
const maxShown = 80

// Difference is one field that is not as it should be.
type Difference struct {
	path string
	line string
}

// comparison compares trees of JSON, field by field.
type comparison struct {
	// wantedOnly leaves out what only the present object has: without the
	// API server's defaults nobody can tell that from what they fill in.
	wantedOnly bool
	found      []Difference
}

// Workloads lists the fields in which the workload that is, in the cluster, differs
// from the one that should be, by the definition:
// "spec.template.spec.containers[buildkitd].image: cluster has a, definition says
// b". What the cluster itself writes is not compared.
func Workloads(is, should manifest.Workload, wantedOnly bool) ([]Difference, error) {
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
	others := slices.DeleteFunc(slices.Clone(c.found), func(d Difference) bool { return strings.HasSuffix(d.path, "["+manifest.AnnotationSpecHash+"]") })
	if len(others) > 0 {
		return others, nil
	}
	return c.found, nil
}

// compareTemplates does the same with pod templates, the hash included.
func compareTemplates(is, should corev1.PodTemplateSpec) ([]Difference, error) {
	before, err := partsOf(is)
	if err != nil {
		return nil, err
	}
	after, err := partsOf(should)
	if err != nil {
		return nil, err
	}
	var c comparison
	c.fields("", before, after)
	return c.found, nil
}

// treeOf is the part of a workload that people define.
func treeOf(h manifest.Workload) (map[string]any, error) {
	if h.StatefulSet != nil {
		return partsOf(h.StatefulSet)
	}
	return partsOf(h.Deployment)
}

func partsOf(object any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("compare the workload: %w", err)
	}
	var parts struct {
		Metadata struct {
			Labels      map[string]any `json:"labels"`
			Annotations map[string]any `json:"annotations"`
		} `json:"metadata"`
		Spec map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fmt.Errorf("compare the workload: %w", err)
	}
	return map[string]any{
		"metadata": map[string]any{"labels": parts.Metadata.Labels, "annotations": parts.Metadata.Annotations},
		"spec":     parts.Spec,
	}, nil
}

func (c *comparison) add(path, format string, args ...any) {
	c.found = append(c.found, Difference{path, path + ": " + fmt.Sprintf(format, args...)})
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
	was, is := filled(before, after), filled(after, before)
	switch is := is.(type) {
	case map[string]any:
		if was, ok := was.(map[string]any); ok {
			c.fields(path, was, is)
			return
		}
	case []any:
		if was, ok := was.([]any); ok {
			c.list(path, was, is)
			return
		}
	}
	if text(before) != text(after) {
		c.add(path, "%s", sides(show(path, before), show(path, after)))
	}
}

// OnlyInCluster and OnlyInDefinition are the words for what one of the two has
// and the other has not.
const (
	OnlyInCluster    = "only in the cluster"
	OnlyInDefinition = "only in the definition"
)

// sides says which value is whose.
func sides(cluster, definition string) string {
	if cluster == notShown && definition == notShown {
		return "cluster has another value than the definition (not shown)"
	}
	return "cluster has " + cluster + ", definition says " + definition
}

// filled stands an empty list, or an empty set of plain values, in for one that
// is absent, so that a line tells of what is in the other and not all of it.
func filled(v, other any) any {
	if v != nil {
		return v
	}
	switch other := other.(type) {
	case []any:
		return []any{}
	case map[string]any:
		for _, value := range other {
			switch value.(type) {
			case []any, map[string]any:
				return v
			}
		}
		return map[string]any{}
	}
	return v
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
		c.plainList(path, before, after)
		return
	}
	index := func(list []any) (names []string, elements map[string]any) {
		elements = map[string]any{}
		for _, element := range list {
			object, _ := element.(map[string]any) // keyOf has looked
			name, _ := object[by].(string)
			names, elements[name] = append(names, name), element
		}
		return names, elements
	}
	names, was := index(before)
	others, is := index(after)
	for _, name := range names {
		if is[name] == nil && !c.wantedOnly {
			c.add(path+"["+name+"]", OnlyInCluster)
		}
	}
	for _, name := range others {
		if was[name] == nil {
			c.add(path+"["+name+"]", OnlyInDefinition)
			continue
		}
		c.value(path+"["+name+"]", was[name], is[name])
	}
	in := func(elements map[string]any) func(string) bool {
		return func(name string) bool { return elements[name] == nil }
	}
	if !slices.Equal(slices.DeleteFunc(names, in(is)), slices.DeleteFunc(others, in(was))) {
		c.add(path, "in another order than in the definition")
	}
}

// plainList tells of the elements that only one of the lists has.
func (c *comparison) plainList(path string, before, after []any) {
	was, is := texts(before), texts(after)
	if slices.Equal(was, is) {
		return
	}
	gone, come := without(before, is), without(after, was)
	if len(gone)+len(come) == 0 {
		c.add(path, "in another order than in the definition")
		return
	}
	var words []string
	switch {
	case len(before) == 0 || len(after) == 0:
		words = []string{sides(showList(path, before), showList(path, after))}
	default:
		if len(gone) > 0 {
			words = append(words, OnlyInCluster+": "+show(path, gone))
		}
		if len(come) > 0 {
			words = append(words, OnlyInDefinition+": "+show(path, come))
		}
	}
	c.add(path, "%s", strings.Join(words, ", "))
}

// showList is show for a list, of which an empty one is none.
func showList(path string, list []any) string {
	if len(list) == 0 {
		return show(path, nil)
	}
	return show(path, list)
}

// without are the elements of a list whose text is not among others, each of
// which stands for one.
func without(list []any, others []string) []any {
	others = slices.Clone(others)
	out := []any{}
	for _, element := range list {
		if at := slices.Index(others, text(element)); at >= 0 {
			others = slices.Delete(others, at, at+1)
			continue
		}
		out = append(out, element)
	}
	return out
}

func texts(list []any) []string {
	out := make([]string, len(list))
	for i, element := range list {
		out[i] = text(element)
	}
	return out
}

// text is a value in JSON, strings as they are.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	out, err := json.Marshal(v)
	if err != nil { // it came of JSON
		return fmt.Sprint(v)
	}
	return string(out)
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

// notShown stands for a value that may be a secret.
const notShown = "a value that is not shown"

// show writes a value for a line. What a variable is set to may be a password and
// is left out.
func show(path string, v any) string {
	if v == nil {
		return "none"
	}
	if strings.Contains(path+"[", ".env[") {
		return notShown
	}
	shown := text(v)
	if len(shown) > maxShown {
		shown = strings.ToValidUTF8(shown[:maxShown], "") + "…"
	}
	return shown
}

// OnlyHash is true when nothing but spec hashes differs.
func OnlyHash(differences []Difference) bool {
	return !slices.ContainsFunc(differences, func(d Difference) bool { return !d.isHash() })
}

// isHash is true for a spec hash, which stands for fields and files.
func (d Difference) isHash() bool { return strings.Contains(d.path, manifest.AnnotationSpecHash) }

// ReplacesPods is true when a difference is one of the pod template.
func ReplacesPods(differences []Difference) bool {
	return slices.ContainsFunc(differences, func(d Difference) bool { return strings.HasPrefix(d.path, "spec.template.") })
}

// Lines are the differences in words, those of files and certificates after those
// of fields. A hash is told only where nothing else says what differs.
func Lines(differences []Difference, others []string) []string {
	var out []string
	for _, d := range differences {
		if !d.isHash() {
			out = append(out, d.line)
		}
	}
	out = append(out, others...)
	if len(out) == 0 && len(differences) > 0 {
		out = []string{HashLine}
	}
	return out
}

// HashLine tells of a spec hash that differs where nothing else is seen to.
const HashLine = "spec hash: cluster has that of another definition, or of another version of slipway"
