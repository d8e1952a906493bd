package configmap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// JSONSchema is the JSON Schema of a definition, made of the tables that the
// loader reads with.
func JSONSchema() ([]byte, error) {
	schema := objectSchema(groupFields(), "Name", "Driver", "Nodes")
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Builder definition"
	schema["description"] = "A builder of Slipway, in the schema of buildx's instance file."
	schema["$defs"] = object{
		"node":              objectSchema(nodeFields(), "Name"),
		"platform":          objectSchema[ocispecs.Platform](platformFields(), "os", "architecture"),
		"slipway":           objectSchema(extensionFields()),
		"tls":               objectSchema(tlsFields()),
		"gc":                objectSchema(gcFields()),
		"kubernetesOptions": optionsSchema(kubernetesOptions()),
		"remoteOptions":     optionsSchema(remoteOptions()),
		"localOptions":      optionsSchema(localOptions()),
	}
	var drivers []object
	for _, driver := range []string{DriverKubernetes, DriverRemote, DriverLocal} {
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
		return nil, fmt.Errorf("write the JSON Schema: %w", err)
	}
	return text.Bytes(), nil
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
