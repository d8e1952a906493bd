package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/builders"
	ciresults "github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/doctor"
	"github.com/slipway-build/slipway/cmd/slipway/cachetable"
	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/reference"
	"github.com/slipway-build/slipway/registry"
)

// jsonOutputs are what commands print as JSON, by the name in docs/json.md, each
// with a value that has an element of every list.
var jsonOutputs = []struct {
	name, command string
	value         any
}{
	{"ls", "slipway ls --format json-list", []builders.Status{{Nodes: []builders.NodeStatus{{}}}}},
	{"inspect", "slipway inspect --format json", builders.Details{Nodes: []builders.NodeDetails{{GC: []builders.GCRule{{}}, Pods: []builders.PodDetails{{}}}}}},
	{"du", "slipway du --format json-list", []cachetable.Record{{}}},
	{"gc", "slipway gc --format json", []collectedJSON{{}}},
	{"doctor", "slipway doctor --format json", []doctor.Check{{}}},
	{"auth", "slipway auth --format json", []authStatus{{Findings: []registry.Finding{{}}, Checks: []authCheck{{}}}}},
	{"version", "slipway version --format json", versionInfo{}},
	{"results", "slipway build --ci-results DIR, the file slipway.json", ciresults.Results{
		Platforms: []ciresults.Platform{{}}, Warnings: []ciresults.Finding{{}}, Error: &ciresults.Failure{Place: &ciresults.Finding{}}, Metadata: json.RawMessage("{}"),
	}},
	{"error", "slipway --log-format json …, the last line on standard error", errorJSON{}},
}

// TestReferenceOfJSONIsUpToDate compares docs/json.schema.json, and the tables in
// docs/json.md, with the types.
func TestReferenceOfJSONIsUpToDate(t *testing.T) {
	docs := comments{}
	definitions := map[string]any{}
	page := readText(t, "../../docs/json.md")
	for _, o := range jsonOutputs {
		schema := docs.schema(t, reflect.TypeOf(o.value))
		schema["title"] = o.command
		definitions[o.name] = schema
		begin, end := "<!-- begin "+o.name+" -->\n", "<!-- end "+o.name+" -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("docs/json.md has no place for the keys of %s", o.name)
		}
		var rows strings.Builder
		rows.WriteString("| key | | meaning |\n|---|---|---|\n")
		docs.rows(t, &rows, reflect.TypeOf(o.value), "")
		page = before + begin + rows.String() + end + after
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "What Slipway's commands print as JSON",
		"description": "Each output is one of the definitions. More keys may be added.",
		"$defs":       definitions,
	}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"../../docs/json.schema.json": text.String(), "../../docs/json.md": page} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(readText(t, path), want); diff != "" {
			t.Errorf("%s is out of date, run go test ./cmd/slipway -run Reference -update (-file +program):\n%s", path, diff)
		}
	}
}

// TestOutputsFollowTheSchema holds what is written, with empty lists and without
// any, against the schema: no list is null, and what is required is there.
func TestOutputsFollowTheSchema(t *testing.T) {
	docs := comments{}
	for _, o := range jsonOutputs {
		schema := docs.schema(t, reflect.TypeOf(o.value))
		for _, value := range []any{o.value, reflect.Zero(reflect.TypeOf(o.value)).Interface()} {
			var out bytes.Buffer
			if err := format.JSON(&out, value); err != nil {
				t.Fatal(err)
			}
			var got any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			follow(t, o.name, schema, got)
		}
	}
}

func follow(t *testing.T, at string, schema map[string]any, value any) {
	t.Helper()
	switch schema["type"] {
	case "array":
		list, ok := value.([]any)
		if !ok {
			t.Errorf("%s is %v, not a list", at, value)
		}
		items, _ := schema["items"].(map[string]any)
		for _, one := range list {
			follow(t, at+"[]", items, one)
		}
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, not an object", at, value)
			return
		}
		required, _ := schema["required"].([]string)
		for _, key := range required {
			if _, ok := object[key]; !ok {
				t.Errorf("%s has no %s", at, key)
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		for key, one := range object {
			property, known := properties[key].(map[string]any)
			if !known && properties != nil {
				t.Errorf("%s has %s, which the schema does not know", at, key)
			}
			if known {
				follow(t, at+"."+key, property, one)
			}
		}
	case "string":
		if _, ok := value.(string); !ok {
			t.Errorf("%s is %v, not text", at, value)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			t.Errorf("%s is %v, not a boolean", at, value)
		}
	case "number", "integer":
		if _, ok := value.(float64); !ok {
			t.Errorf("%s is %v, not a number", at, value)
		}
	}
}

// comments are the doc comments of the fields of types, by package and type.
type comments map[string]map[string]string

// jsonField is a field as JSON has it.
type jsonField struct {
	name, doc string
	optional  bool
	of        reflect.Type
}

// fields are those of a struct, with those of embedded ones.
func (c comments) fields(t *testing.T, of reflect.Type) []jsonField {
	t.Helper()
	var all []jsonField
	for field := range of.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			all = append(all, c.fields(t, field.Type)...)
		case field.IsExported() && name != "-" && name != "":
			all = append(all, jsonField{name, c.comment(t, of, field.Name), strings.Contains(options, "omit"), field.Type})
		case field.IsExported():
			t.Errorf("%s.%s has no JSON key", of, field.Name)
		}
	}
	return all
}

// comment is the doc comment of a field; where it has none, that of the fields
// above it up to an empty line is not taken for it.
func (c comments) comment(t *testing.T, of reflect.Type, field string) string {
	t.Helper()
	key := of.PkgPath() + "." + of.Name()
	if c[key] == nil {
		c[key] = map[string]string{}
		dir := filepath.Join("../..", strings.TrimPrefix(of.PkgPath(), module))
		if of.PkgPath() == "main" || strings.HasSuffix(of.PkgPath(), "/cmd/slipway") {
			dir = "."
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok || spec.Name.Name != of.Name() {
					return true
				}
				if fields, ok := spec.Type.(*ast.StructType); ok {
					for _, f := range fields.Fields.List {
						for _, name := range f.Names {
							c[key][name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
						}
					}
				}
				return true
			})
		}
	}
	return c[key][field]
}

// schema is the JSON Schema of a type.
func (c comments) schema(t *testing.T, of reflect.Type) map[string]any {
	t.Helper()
	switch {
	case of == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case of == reflect.TypeFor[builders.Seconds]():
		return map[string]any{"type": "number"}
	case of == reflect.TypeFor[json.RawMessage]():
		return map[string]any{"type": "object"}
	}
	switch of.Kind() {
	case reflect.Pointer:
		return c.schema(t, of.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": c.schema(t, of.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "required": []string{}, "additionalProperties": c.schema(t, of.Elem())}
	case reflect.Struct:
		properties, required := map[string]any{}, []string{}
		for _, f := range c.fields(t, of) {
			property := c.schema(t, f.of)
			if f.doc != "" {
				property["description"] = f.doc
			}
			properties[f.name] = property
			if !f.optional {
				required = append(required, f.name)
			}
		}
		slices.Sort(required)
		return map[string]any{"type": "object", "properties": properties, "required": required}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.String:
		return map[string]any{"type": "string"}
	}
	t.Fatalf("%s has no place in JSON", of)
	return nil
}

// rows writes a row of docs/json.md for every key of a type.
func (c comments) rows(t *testing.T, b *strings.Builder, of reflect.Type, at string) {
	t.Helper()
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		if of.Kind() == reflect.Slice {
			at += "[]"
		}
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() {
		return
	}
	for _, f := range c.fields(t, of) {
		name := strings.TrimPrefix(at+"."+f.name, ".")
		kind := kindWord(f.of)
		if f.optional {
			kind += ", may be absent"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, kind, reference.Cell(f.doc))
		c.rows(t, b, f.of, name)
	}
}

func kindWord(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Time]() || of == reflect.TypeFor[*time.Time]():
		return "time"
	case of == reflect.TypeFor[builders.Seconds]():
		return "seconds"
	case of == reflect.TypeFor[json.RawMessage]():
		return "object"
	}
	switch of.Kind() {
	case reflect.Slice:
		return "list"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Pointer:
		return kindWord(of.Elem())
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "text"
	}
	return "number"
}
