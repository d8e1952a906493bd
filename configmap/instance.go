package configmap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Instance is a definition as it is written: buildx's instance file, key for
// key and in its order, so that both tools read it.
type Instance struct {
	Name    string
	Driver  string
	Nodes   []InstanceNode
	Dynamic bool
	// Slipway is the key of that name as it stands in the file; buildx passes
	// over it. It is empty when there is none.
	Slipway json.RawMessage `json:",omitempty"`
}

// InstanceNode is one node of an Instance. What is not given is nil, which
// buildx writes as null.
type InstanceNode struct {
	Name       string
	Endpoint   string
	Platforms  []ocispecs.Platform
	DriverOpts map[string]string
	Flags      []string
	Files      map[string][]byte
	Slipway    json.RawMessage `json:",omitempty"`
}

// JSON is the definition as buildx reads it, indented for people.
func (i Instance) JSON() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // endpoints are full of ampersands
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(i); err != nil {
		return nil, fmt.Errorf("write the definition of builder %q: %w", i.Name, err)
	}
	return text.Bytes(), nil
}

// YAML is the definition for people; buildx does not read it. Keys without a
// value are left out.
func (i Instance) YAML() ([]byte, error) {
	text, err := i.JSON()
	if err != nil {
		return nil, err
	}
	tree, err := parseValue(text)
	if err != nil {
		return nil, err
	}
	text, err = json.Marshal(withoutNull(tree))
	if err == nil {
		text, err = yaml.JSONToYAML(escapeForYAML(text))
	}
	if err != nil {
		return nil, fmt.Errorf("write the definition of builder %q: %w", i.Name, err)
	}
	return text, nil
}

// escapeForYAML escapes the characters that JSON holds as they are and that
// YAML does not (https://yaml.org/spec/1.2.2/#51-character-set).
func escapeForYAML(text []byte) []byte {
	var escaped []byte
	for _, r := range string(text) {
		if r >= 0x7f && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = utf8.AppendRune(escaped, r)
		}
	}
	return escaped
}

func withoutNull(tree any) any {
	switch v := tree.(type) {
	case []any:
		for i := range v {
			v[i] = withoutNull(v[i])
		}
	case map[string]any:
		for key, value := range v {
			if value == nil {
				delete(v, key)
			} else {
				v[key] = withoutNull(value)
			}
		}
	}
	return tree
}

// ReadInstances reads the definitions that a file holds and normalizes them:
// options have the names and values that buildx takes, platforms are objects,
// endpoints are those that buildx writes. The loader's warnings come with
// them. The error is Problems.
func ReadInstances(file string, data []byte) ([]Instance, []string, error) {
	var problems Problems
	var warnings []string
	for _, e := range read(file, data) {
		problems = append(problems, e.problems...)
		warnings = append(warnings, e.definition.Warnings...)
	}
	if len(problems) > 0 {
		return nil, nil, problems
	}
	// Entries hold what a definition means. What it says has to be looked at
	// once more, and is valid by now.
	documents, err := parse(data)
	if err != nil {
		return nil, nil, err
	}
	instances := make([]Instance, 0, len(documents))
	for _, document := range documents {
		tree, ok := document.(map[string]any)
		if !ok {
			continue
		}
		one, err := normalize(tree)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		instances = append(instances, one)
	}
	return instances, warnings, nil
}

func normalize(tree map[string]any) (Instance, error) {
	var g group
	readObject(groupFields(), &g, tree, report{found: &findings{}})
	own, err := rawKey(tree)
	if err != nil {
		return Instance{}, err
	}
	i := Instance{Name: g.name, Driver: g.driver, Slipway: own}
	nodes, _ := lookup(tree, "Nodes").([]any)
	for k, n := range g.nodes {
		node := n.normalize(g)
		if object, ok := nodes[k].(map[string]any); ok {
			if node.Slipway, err = rawKey(object); err != nil {
				return Instance{}, err
			}
		}
		i.Nodes = append(i.Nodes, node)
	}
	return i, nil
}

// rawKey is the key "Slipway" as it is: the loader knows what is in it, and
// writing it again must not lose any of it.
func rawKey(object map[string]any) (json.RawMessage, error) {
	value := lookup(object, "Slipway")
	if value == nil {
		return nil, nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("key Slipway: %w", err)
	}
	return text, nil
}

func (n rawNode) normalize(g group) InstanceNode {
	node := InstanceNode{Name: n.name, Endpoint: n.endpoint, Platforms: n.platforms, Flags: n.flags, Files: n.files}
	switch g.driver {
	case DriverRemote:
		node.DriverOpts = normalizeOptions(remoteOptions(), n.options)
		return node
	case DriverLocal:
		node.DriverOpts = normalizeOptions(localOptions(), n.options)
		return node
	}
	node.DriverOpts = normalizeOptions(kubernetesOptions(), n.options)
	if tolerations, ok := node.DriverOpts["tolerations"]; ok {
		node.DriverOpts["tolerations"] = normalizeTolerations(tolerations)
	}
	if !strings.HasPrefix(n.endpoint, "kubernetes://") { // of an old buildx, or left out
		node.Endpoint = kubernetesEndpoint(g.name, n.name, "")
	}
	return node
}

func normalizeOptions[T any](table []option[T], options map[string]any) map[string]string {
	if len(options) == 0 {
		return nil
	}
	out := make(map[string]string, len(options))
	for key, value := range options {
		known := findOption(table, key)
		if known == nil {
			continue // the loader has refused it
		}
		if known.misspelt == key {
			key = known.name
		}
		if value != nil {
			out[key], _ = known.text(value) // the loader has taken it
		} else {
			out[key] = ""
		}
	}
	return out
}

// normalizeTolerations writes operators as Kubernetes does. buildx's own
// documentation has "exists", which it passes on and Kubernetes refuses.
func normalizeTolerations(v string) string {
	list := strings.Split(v, ";")
	for i, toleration := range list {
		parts := strings.Split(toleration, ",")
		for j, part := range parts {
			name, value, _ := strings.Cut(part, "=")
			for _, operator := range []corev1.TolerationOperator{corev1.TolerationOpExists, corev1.TolerationOpEqual} {
				if strings.TrimSpace(name) == "operator" && strings.EqualFold(value, string(operator)) {
					parts[j] = name + "=" + string(operator)
				}
			}
		}
		list[i] = strings.Join(parts, ",")
	}
	return strings.Join(list, ";")
}

// kubernetesEndpoint is the endpoint that buildx writes for a node of the
// driver kubernetes. It differs from node to node, which buildx insists on.
func kubernetesEndpoint(builder, node, kubeconfig string) string {
	return (&url.URL{
		Scheme:   DriverKubernetes,
		Path:     "/" + builder,
		RawQuery: url.Values{"deployment": {node}, "kubeconfig": {kubeconfig}}.Encode(),
	}).String()
}
