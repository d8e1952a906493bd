package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// JSONSchema is the JSON Schema of a policy, made of the types that Parse reads.
func JSONSchema() ([]byte, error) {
	schema := schemaOf(reflect.TypeFor[File]())
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Policy of a sidecar"
	schema["description"] = "What clients of slipway agent serve --policy may do."
	schema["$defs"] = map[string]any{"rules": schemaOf(reflect.TypeFor[Rules]())}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		return nil, fmt.Errorf("write the JSON Schema: %w", err)
	}
	return text.Bytes(), nil
}

// schemaOf is the schema of an object.
func schemaOf(of reflect.Type) map[string]any {
	properties := map[string]any{}
	for _, f := range fieldsOf(of) {
		property := propertyOf(f)
		property["description"] = f.Tag.Get("doc")
		properties[nameOf(f)] = property
	}
	return map[string]any{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
}

func propertyOf(f reflect.StructField) map[string]any {
	of := f.Type
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of == reflect.TypeFor[Duration]():
		return map[string]any{"type": []string{"string", "null"}, "examples": []string{"1h30m"}}
	case of.Kind() == reflect.Struct:
		return schemaOf(of)
	case of.Kind() == reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": map[string]any{"$ref": "#/$defs/rules"}}
	case of.Kind() == reflect.Slice:
		items := map[string]any{"type": "string"}
		if words := f.Tag.Get("enum"); words != "" {
			items["enum"] = strings.Split(words, ",")
		}
		return map[string]any{"type": []string{"array", "null"}, "items": items}
	case of.Kind() == reflect.Bool:
		return map[string]any{"type": []string{"boolean", "null"}}
	case of.Kind() == reflect.Int:
		least, _ := strconv.Atoi(f.Tag.Get("min"))
		return map[string]any{"type": []string{"integer", "null"}, "minimum": least}
	}
	return map[string]any{"type": []string{"string", "null"}}
}

// Reference is the table of keys in the documentation, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString("| key | holds | meaning |\n|---|---|---|\n")
	rows(&b, reflect.TypeFor[File](), "")
	return b.String()
}

func rows(b *strings.Builder, of reflect.Type, at string) {
	for _, f := range fieldsOf(of) {
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", at, nameOf(f), form(inner, f.Tag), strings.ReplaceAll(f.Tag.Get("doc"), "*", `\*`))
		if inner.Kind() == reflect.Struct {
			rows(b, inner, at+nameOf(f)+".")
		}
	}
}

// form says in a few words what a key holds.
func form(of reflect.Type, tag reflect.StructTag) string {
	switch {
	case of == reflect.TypeFor[Duration]():
		return "duration"
	case of.Kind() == reflect.Struct:
		return "object"
	case of.Kind() == reflect.Map:
		return "rules by name"
	case of.Kind() == reflect.Slice && tag.Get("enum") != "":
		return "list of `" + strings.ReplaceAll(tag.Get("enum"), ",", "`, `") + "`"
	case of.Kind() == reflect.Slice && tag.Get("pattern") != "":
		return "list of patterns"
	case of.Kind() == reflect.Slice:
		return "list"
	case of.Kind() == reflect.Bool:
		return "`true` or `false`"
	case of.Kind() == reflect.Int:
		return "number"
	}
	return "text"
}
