package chart

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// TestSchema makes the chart's schema of this directory's values.schema.json
// and of the program's own schema of definitions, so that the two know the same
// options.
func TestSchema(t *testing.T) {
	schema := readJSON(t, "values.schema.json")
	program := object(t, readJSON(t, root+"docs/definition.schema.json"), "$defs")
	definitions := object(t, schema, "definitions")
	for name, definition := range program {
		// The chart has builders, nodes and platforms in words of its own.
		if _, known := definitions[name]; !known && name != "platform" {
			definitions[name] = definition
		}
	}
	options := object(t, object(t, definitions, "kubernetesOptions"), "properties")
	for name, value := range options {
		option, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("option %s is no object", name)
		}
		if option["deprecated"] == true {
			delete(options, name) // values are new: they need no spelling of older documents
			continue
		}
		maps.Copy(option, narrower(name, option))
	}
	made, err := json.MarshalIndent(inDraft7(schema), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, chartDir+"/values.schema.json", string(made)+"\n")
}

// narrower is what the values of an option must be besides their type, and
// what more they may be where YAML has a better form than one string.
func narrower(name string, option map[string]any) map[string]any {
	delete(option, "examples") // they are the reference's
	more := func(ref string, form string) map[string]any {
		delete(option, "type")
		return map[string]any{"anyOf": []any{map[string]any{"type": form}, map[string]any{"$ref": "#/definitions/" + ref}}}
	}
	switch name {
	case "nodeselector", "labels", "annotations":
		return more("scalars", "string")
	case "tolerations":
		return more("tolerations", "string")
	case "namespace":
		return map[string]any{"$ref": "#/definitions/namespace"}
	case "replicas":
		return map[string]any{"minimum": 1, "pattern": "^[1-9][0-9]*$"}
	case "timeout":
		return map[string]any{"pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case "loadbalance":
		return map[string]any{"enum": []string{"sticky", "random"}}
	case "rootless", "qemu.install", "default-load":
		return map[string]any{"pattern": "^(true|false)$"}
	case "buildkit-root-volume-memory":
		return map[string]any{"$ref": "#/definitions/quantity"}
	}
	for _, kind := range []string{"requests.", "limits.", "persistent-volume-claim."} {
		if strings.HasPrefix(name, kind) {
			return map[string]any{"$ref": "#/definitions/quantity"}
		}
	}
	return nil
}

// inDraft7 rewrites references: draft 7 is the newest that every Helm 3 reads.
// Where there is a reference, draft 7 looks at nothing beside it.
func inDraft7(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			delete(v, "type")
			v["$ref"] = strings.Replace(ref, "#/$defs/", "#/definitions/", 1)
		}
		for key := range v {
			v[key] = inDraft7(v[key])
		}
	case []any:
		for i := range v {
			v[i] = inDraft7(v[i])
		}
	}
	return value
}

func object(t *testing.T, in map[string]any, key string) map[string]any {
	t.Helper()
	out, ok := in[key].(map[string]any)
	if !ok {
		t.Fatalf("the schema has no object %s", key)
	}
	return out
}
