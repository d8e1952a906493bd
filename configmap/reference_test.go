package configmap

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

var update = flag.Bool("update", false, "write the golden files and the reference instead of comparing with them")

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is out of date, run go test ./configmap -update (-file +program):\n%s", path, diff)
	}
}

// row is one line of a table of the reference.
type row struct{ name, value, standard, doc string }

func fieldRows[T any](fields []field[T]) []row {
	var rows []row
	for _, f := range fields {
		rows = append(rows, row{name: f.name, value: f.form, doc: f.doc})
	}
	return rows
}

func optionRows[T any](options []option[T]) []row {
	var rows []row
	for _, o := range options {
		r := row{name: o.name, value: o.form + ", such as `" + o.example + "`", standard: o.standard, doc: o.doc}
		if o.misspelt != "" {
			r.doc += " The spelling `" + o.misspelt + "` of older documents is accepted with a warning."
		}
		rows = append(rows, r)
	}
	return rows
}

func markdownTable(head string, rows []row) string {
	defaults := false
	for _, r := range rows {
		defaults = defaults || r.standard != ""
	}
	var b strings.Builder
	line := func(name, value, standard, doc string) {
		cells := []string{name, value, standard, doc}
		if !defaults {
			cells = []string{name, value, doc}
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	line(head, "Value", "Default", "Meaning")
	line("---", "---", "---", "---")
	for _, r := range rows {
		line("`"+r.name+"`", r.value, r.standard, r.doc)
	}
	return strings.TrimRight(b.String(), "\n")
}

func TestReferenceIsUpToDate(t *testing.T) {
	tmpl, err := template.New("definitions.md.tmpl").Funcs(template.FuncMap{"table": markdownTable}).
		ParseFiles("testdata/definitions.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	text := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	set, err := Load("testdata/mistakes/kube.json")
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Select("")
	var page bytes.Buffer
	err = tmpl.Execute(&page, map[string]any{
		"SystemPath": systemPath,
		"Blog":       text("testdata/valid/kube"),
		"Example":    text("testdata/valid/example.yaml"),
		"Mistakes":   strings.ReplaceAll(printed(err), "testdata/mistakes/", "/etc/slipway/definitions/"),
		"Group":      fieldRows(groupFields()),
		"Node":       fieldRows(nodeFields()),
		"Platform":   fieldRows(platformFields()),
		"Slipway":    fieldRows(extensionFields()),
		"TLS":        fieldRows(tlsFields()),
		"Kubernetes": optionRows(kubernetesOptions()),
		"Remote":     optionRows(remoteOptions()),
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "docs", "definitions.md"), page.Bytes())
}

// printed is what cmd makes of an error.
func printed(err error) string {
	var b strings.Builder
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range all.Unwrap() {
			fmt.Fprintf(&b, "error: %v\n", one)
		}
	} else {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	if h, ok := err.(interface{ Hints() []string }); ok {
		for _, hint := range h.Hints() {
			fmt.Fprintf(&b, "hint: %s\n", hint)
		}
	}
	return b.String()
}

type object = map[string]any

func objectSchema[T any](fields []field[T], required ...string) object {
	properties := make(object)
	for _, f := range fields {
		property := object{"description": f.doc}
		for k, v := range f.schema {
			property[k] = v
		}
		properties[f.name] = property
	}
	schema := object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["type"] = "object"
		schema["required"] = required
	}
	return schema
}

func optionsSchema[T any](options []option[T]) object {
	properties, patterns := make(object), make(object)
	for _, o := range options {
		types := []string{"string"}
		if o.bare&bareFraction != 0 {
			types = append(types, "number")
		} else if o.bare&bareInteger != 0 {
			types = append(types, "integer")
		}
		if o.bare&bareBool != 0 {
			types = append(types, "boolean")
		}
		property := object{"type": types, "description": o.doc, "examples": []string{o.example}}
		if prefix, ok := strings.CutSuffix(o.name, "."+variablePart); ok {
			patterns["^"+prefix+`\..`] = property
			continue
		}
		properties[o.name] = property
		if o.misspelt != "" {
			properties[o.misspelt] = object{"type": types, "description": "Use " + o.name + ".", "deprecated": true}
		}
	}
	schema := object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if len(patterns) > 0 {
		schema["patternProperties"] = patterns
	}
	return schema
}

func TestReferenceSchemaIsUpToDate(t *testing.T) {
	schema := objectSchema(groupFields(), "Name", "Driver", "Nodes")
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Builder definition"
	schema["description"] = "A builder of Slipway, in the schema of buildx's instance file."
	schema["$defs"] = object{
		"node":              objectSchema(nodeFields(), "Name"),
		"platform":          objectSchema[ocispecs.Platform](platformFields(), "os", "architecture"),
		"slipway":           objectSchema(extensionFields()),
		"tls":               objectSchema(tlsFields()),
		"kubernetesOptions": optionsSchema(kubernetesOptions()),
		"remoteOptions":     optionsSchema(remoteOptions()),
	}
	var drivers []object
	for _, driver := range []string{DriverKubernetes, DriverRemote} {
		node := object{"properties": object{"DriverOpts": object{"$ref": "#/$defs/" + driver + "Options"}}}
		if driver == DriverRemote {
			node["required"] = []string{"Endpoint"}
		}
		drivers = append(drivers, object{
			"if":   object{"properties": object{"Driver": object{"const": driver}}},
			"then": object{"properties": object{"Nodes": object{"items": node}}},
		})
	}
	schema["allOf"] = drivers
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "docs", "definition.schema.json"), text.Bytes())
}
