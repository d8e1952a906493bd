package chart

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// mark begins a comment in values.yaml that is meant for the reference.
const mark = "# -- "

// TestReadme writes the reference of the values from their comments.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile(chartDir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("README.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	rows := valueRows(t, "", document.Content[0])
	table := "| Value | Default | Meaning |\n| --- | --- | --- |\n" + strings.Join(rows, "")
	golden(t, chartDir+"/README.md", strings.Replace(string(page), "@VALUES@\n", table, 1))
}

// valueRows are the lines of the table below a key. A mapping without a
// comment of its own is described by its keys.
func valueRows(t *testing.T, prefix string, mapping *yaml.Node) []string {
	t.Helper()
	var rows []string
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		comment, ok := strings.CutPrefix(key.HeadComment, mark)
		if !ok && value.Kind == yaml.MappingNode {
			rows = append(rows, valueRows(t, name+".", value)...)
			continue
		}
		if !ok {
			t.Errorf("%s has no comment that begins with %q", name, mark)
		}
		value.Style, value.HeadComment = yaml.FlowStyle, ""
		for _, below := range value.Content {
			below.Style |= yaml.FlowStyle
		}
		standard, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, "| `"+name+"` | `"+strings.TrimSpace(string(standard))+"` | "+strings.ReplaceAll(comment, "\n# ", " ")+" |\n")
	}
	return rows
}
