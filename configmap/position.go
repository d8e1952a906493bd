package configmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// positions are the documents of a file as trees that know their lines. They are
// parsed when the first mistake is found, for which the trees of parse have no
// lines.
type positions struct {
	data []byte
	once sync.Once
	all  []*yaml.Node
}

// line is the line in the file of a key of a document, or of the nearest one
// around it that is there; 0 where the document has none. node counts the nodes
// from 1, 0 is the group; option is as in a Problem.
func (p *positions) line(document, node int, option string) int {
	if p == nil {
		return 0
	}
	p.once.Do(func() {
		for _, text := range documentTexts(p.data) {
			var root yaml.Node
			if yaml.Unmarshal(text, &root) != nil || len(root.Content) == 0 {
				p.all = append(p.all, nil)
				continue
			}
			p.all = append(p.all, root.Content[0])
		}
	})
	if document >= len(p.all) || p.all[document] == nil || node == 0 && option == "" {
		return 0
	}
	at := p.all[document]
	if node > 0 {
		option = strings.TrimSuffix("Nodes["+strconv.Itoa(node-1)+"]."+option, ".")
	}
	return lineBelow(at, option)
}

// documentTexts are the documents of a file, each with as many lines before it
// as it has in the file.
func documentTexts(data []byte) [][]byte {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return splitYAML(data)
	}
	var texts [][]byte
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil { // it begins like JSON and is YAML
			return splitYAML(data)
		}
		before := data[:int(decoder.InputOffset())-len(raw)]
		text := bytes.Repeat([]byte("\n"), bytes.Count(before, []byte("\n")))
		// YAML has no tabs between tokens, and JSON none in them.
		texts = append(texts, append(text, bytes.ReplaceAll(raw, []byte("\t"), []byte(" "))...))
	}
}

// lineBelow follows a key path such as "Nodes[0].Slipway.podTemplate" or
// "driver-opt replicas" as far as it goes.
func lineBelow(at *yaml.Node, path string) int {
	line := at.Line
	for path != "" {
		if at.Kind == yaml.AliasNode {
			at = at.Alias
		}
		key, value, rest := step(at, path)
		if value == nil {
			return line
		}
		line, at, path = key.Line, value, strings.TrimPrefix(rest, ".")
	}
	return line
}

// step finds the key or element that a path begins with. key is where it
// stands: for an element that is the element itself. value is nil where there is
// none.
func step(at *yaml.Node, path string) (key, value *yaml.Node, rest string) {
	if option, ok := strings.CutPrefix(path, "driver-opt "); ok {
		path = "DriverOpts." + option
	}
	switch at.Kind {
	case yaml.SequenceNode:
		number, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(number)
		if !ok || err != nil || i >= len(at.Content) {
			return nil, nil, ""
		}
		return at.Content[i], at.Content[i], rest
	case yaml.MappingNode:
		// Keys may hold dots, so the longest that fits counts.
		longest := -1
		for i := 0; i+1 < len(at.Content); i += 2 {
			name := at.Content[i].Value
			if len(name) <= longest || len(name) > len(path) || !strings.EqualFold(path[:len(name)], name) {
				continue
			}
			if after := path[len(name):]; after == "" || after[0] == '.' || after[0] == '[' {
				key, value, rest, longest = at.Content[i], at.Content[i+1], after, len(name)
			}
		}
	}
	return key, value, rest
}
