package configmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// parse returns the documents of a file as trees of map[string]any, []any,
// string, int64, float64, bool and nil. A key that occurs twice in an object
// is an error.
func parse(data []byte) ([]any, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // editors on Windows write it
	if !utf8.Valid(data) {
		return nil, errors.New("is not a text file in UTF-8")
	}
	// JSON first: YAML is nearly, but not quite, a superset of it.
	if trimmed := bytes.TrimSpace(data); bytes.HasPrefix(trimmed, []byte("{")) {
		documents, jsonErr := parseJSON(data)
		if jsonErr == nil {
			return documents, nil
		}
		documents, yamlErr := parseYAML(data)
		if yamlErr != nil { // what starts like JSON was most likely meant to be
			return nil, jsonErr
		}
		return documents, nil
	}
	return parseYAML(data)
}

// parseJSON reads one or several JSON values.
func parseJSON(data []byte) ([]any, error) {
	var documents []any
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, jsonError(data, decoder, err)
		}
		document, err := parseValue(raw)
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// jsonError says where in the file the syntax is broken.
func jsonError(data []byte, decoder *json.Decoder, err error) error {
	offset := decoder.InputOffset()
	if known := (*json.SyntaxError)(nil); errors.As(err, &known) {
		offset = known.Offset
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		offset = int64(len(data))
		err = errors.New("the text ends too early")
	}
	before := data[:min(int(offset), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Errorf("is not valid JSON: line %d, column %d: %w", line, column, err)
}

func parseValue(raw []byte) (any, error) {
	var tree any
	doubled, err := kjson.UnmarshalStrict(raw, &tree)
	if err != nil {
		return nil, fmt.Errorf("is not valid JSON: %w", err)
	}
	if len(doubled) > 0 {
		messages := make([]string, len(doubled))
		for i, one := range doubled {
			messages[i] = one.Error()
		}
		return nil, fmt.Errorf("holds a key twice: %s", strings.Join(messages, ", "))
	}
	return tree, nil
}

// parseYAML reads the documents of a YAML stream.
func parseYAML(data []byte) ([]any, error) {
	var documents []any
	for _, text := range splitYAML(data) {
		raw, err := yaml.YAMLToJSONStrict(text)
		if err != nil {
			return nil, fmt.Errorf("is not valid YAML: %s", yamlReason(err))
		}
		document, err := parseValue(raw)
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	return documents, nil
}

// yamlReason puts the library's message into one line.
func yamlReason(err error) string {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	message = strings.TrimPrefix(message, "unmarshal errors:")
	return strings.Join(strings.Fields(message), " ")
}

// splitYAML cuts a stream at its document markers, because the library reads
// the first document and passes over the rest in silence. A marker stands at
// the start of a line, where YAML allows nothing else that looks like it.
// Each document keeps its line numbers by the empty lines before it; documents
// of comments and directives only are left out.
func splitYAML(data []byte) [][]byte {
	var documents [][]byte
	var current []byte
	filled := false
	flush := func(lines int) {
		if filled {
			documents = append(documents, current)
		}
		current, filled = bytes.Repeat([]byte("\n"), lines), false
	}
	for i, line := range bytes.SplitAfter(data, []byte("\n")) {
		if rest, ok := cutMarker(line, "---"); ok {
			flush(i)
			line = append([]byte("   "), rest...) // keeps the columns too
		} else if _, ok := cutMarker(line, "..."); ok {
			flush(i)
			line = []byte("\n")
		}
		current = append(current, line...)
		text := bytes.TrimSpace(line)
		if len(text) > 0 && text[0] != '#' && (line[0] != '%' || filled) {
			filled = true
		}
	}
	flush(0)
	return documents
}

func cutMarker(line []byte, marker string) (rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(line, []byte(marker))
	if !ok || len(rest) > 0 && !bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])) {
		return nil, false
	}
	return rest, true
}

const (
	buildxOutput    = "is the output of docker buildx inspect or ls, which has another schema than a definition"
	useInstanceFile = "use buildx's instance file: ~/.docker/buildx/instances/<builder>, or the same below $BUILDX_CONFIG or $DOCKER_CONFIG/buildx"
)

// foreign recognises files that people mistake for a definition. It returns
// "" for what may be one.
func foreign(tree map[string]any) (message, hint string) {
	if kind, ok := tree["kind"].(string); ok && tree["apiVersion"] != nil {
		if kind != "ConfigMap" {
			return fmt.Sprintf("is a Kubernetes manifest (kind %s), not a builder definition", kind), ""
		}
		hint = "mount the ConfigMap into the agent and name the mounted directory"
		if data, ok := tree["data"].(map[string]any); ok && len(data) > 0 {
			hint += fmt.Sprintf(", or save what stands under its key %q as a file of its own", slices.Min(keysOf(data)))
		}
		return "is a Kubernetes ConfigMap manifest, not a builder definition", hint
	}
	if hasAny(tree, "LastActivity", "Current", "Err") {
		return buildxOutput, useInstanceFile
	}
	nodes, _ := lookup(tree, "Nodes").([]any)
	for _, node := range nodes {
		if node, ok := node.(map[string]any); ok && hasAny(node, "Status", "Version", "IDs", "GCPolicy", "ProxyConfig", "Err") {
			return buildxOutput, useInstanceFile
		}
	}
	return "", ""
}

// foreignText recognises what docker buildx inspect prints, which is nearly
// YAML. It returns "" for anything else.
func foreignText(data []byte) (message, hint string) {
	heads := 0
	for _, line := range [][]byte{[]byte("Name: "), []byte("Driver: "), []byte("Nodes:"), []byte("Endpoint: ")} {
		if bytes.HasPrefix(data, line) || bytes.Contains(data, append([]byte("\n"), line...)) {
			heads++
		}
	}
	if heads == 4 { // in a definition in YAML, an endpoint is never at the start of a line
		return buildxOutput, useInstanceFile
	}
	return "", ""
}

func hasAny(object map[string]any, keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return lookup(object, k) != nil })
}

// lookup finds a key as encoding/json would: exactly, else without regard to
// case.
func lookup(object map[string]any, key string) any {
	if v, ok := object[key]; ok {
		return v
	}
	for _, k := range keysOf(object) {
		if strings.EqualFold(k, key) {
			return object[k]
		}
	}
	return nil
}

func keysOf[V any](object map[string]V) []string {
	return slices.Sorted(maps.Keys(object))
}
