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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/builders"
	ciresults "github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/ci/tagrule"
	"github.com/slipway-build/slipway/agent/doctor"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/cmd/slipway/authview"
	"github.com/slipway-build/slipway/cmd/slipway/cachetable"
	"github.com/slipway-build/slipway/cmd/slipway/historyview"
	"github.com/slipway-build/slipway/cmd/slipway/model"
	"github.com/slipway-build/slipway/internal/format"
	"github.com/slipway-build/slipway/internal/reference"
	"github.com/slipway-build/slipway/registry"
	"github.com/slipway-build/slipway/registry/imagetools"
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
	{"history-ls", "slipway history ls --format json", historyview.Record{}},
	{"history-inspect", "slipway history inspect build --format json", historyview.Inspection{
		NamedContexts: []historyview.KeyValue{{}}, Error: &historyview.Failure{}, BuildArgs: []historyview.KeyValue{{}}, Labels: []historyview.KeyValue{{}},
		Config: historyview.Config{RestRaw: []historyview.KeyValue{{}}}, Materials: []historyview.Material{{}}, Attachments: []historyview.Attachment{{}},
	}},
	{"gc", "slipway gc --format json", []collectedJSON{{}}},
	{"doctor", "slipway doctor --format json", []doctor.Check{{}}},
	{"tags", "slipway tags --format json", tagrule.JSON{}},
	{"auth", "slipway auth --format json", []authview.Status{{Findings: []registry.Finding{{}}, Checks: []authview.Check{{}}}}},
	{"version", "slipway version --format json", versionInfo{}},
	{"results", "slipway build --ci-results DIR, the file slipway.json", ciresults.Results{
		Platforms: []ciresults.Platform{{}}, Warnings: []ciresults.Finding{{}}, Error: &ciresults.Failure{Place: &ciresults.Finding{}}, Metadata: json.RawMessage("{}"),
	}},
	{"dry-run", "slipway build --dry-run", solve.DryRun{Solves: []solve.Description{{Outputs: []solve.DescribedOutput{{}}, CacheFrom: []solve.DescribedBackend{{}}, CacheTo: []solve.DescribedBackend{{}}}}}},
	{"metadata", "slipway build --metadata-file", report.Metadata{Warnings: []event.Warning{{}}, Platforms: map[string]report.PlatformMetadata{"linux/amd64": {}}}},
	{"bake-metadata", "slipway bake --metadata-file", map[string]report.Metadata{"app": {Warnings: []event.Warning{{}}, Platforms: map[string]report.PlatformMetadata{"linux/amd64": {}}}}},
	{"index-inspect", "slipway index inspect --format json", imagetools.Inspected{Manifest: imagetools.InspectedIndex{}, Image: ocispecs.Image{}}},
	{"index-create", "slipway index create --dry-run", ocispecs.Index{Manifests: []ocispecs.Descriptor{{}}}},
	{"index-metadata", "slipway index create --metadata-file", imagetools.CreateMetadata{}},
	{"error", "slipway --log-format json …, the last line on standard error", errorJSON{}},
}

// alternatives are the types of fields that may have several, by type and name.
// Other fields of type any are an object of which no more is said.
var alternatives = map[string][]reflect.Type{
	"imagetools.Inspected.Manifest": {reflect.TypeFor[imagetools.InspectedIndex](), reflect.TypeFor[ocispecs.Descriptor]()},
}

// shared are types that several outputs have: a section and a definition of their own.
var shared = []struct {
	name, title string
	of          reflect.Type
}{
	{"descriptor", "An OCI descriptor", reflect.TypeFor[ocispecs.Descriptor]()},
	{"warning", "A warning of the Dockerfile linter", reflect.TypeFor[event.Warning]()},
}

// sharedName is the name of a type of shared, empty for others.
func sharedName(of reflect.Type) string {
	for _, s := range shared {
		if s.of == of {
			return s.name
		}
	}
	return ""
}

// TestEveryJSONHasAReference tests that jsonOutputs has all that commands print or
// write as JSON by a flag.
func TestEveryJSONHasAReference(t *testing.T) {
	var known []string
	for _, o := range jsonOutputs {
		known = append(known, o.command)
	}
	found := 0
	for _, command := range newParser(t).Model.Leaves(true) {
		for _, flag := range command.Flags {
			words := strings.Split(flag.Enum+","+flag.Tag.Get("values"), ",")
			var want string
			switch {
			case flag.Name == "format" && slices.Contains(words, formatJSONList):
				want = "--format " + formatJSONList
			case flag.Name == "format" && slices.Contains(words, formatJSON):
				want = "--format " + formatJSON
			case flag.Name == "metadata-file":
				want = "--metadata-file"
			case flag.Name == "dry-run" && strings.HasPrefix(flag.Help, "Print "):
				want = "--dry-run"
			default:
				continue
			}
			found++
			if want = "slipway " + model.CommandName(command) + " " + want; !slices.Contains(known, want) {
				t.Errorf("%s prints JSON that jsonOutputs does not list", want)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d flags: the test overlooks some", found)
	}
}

// TestReferenceOfJSONIsUpToDate compares docs/json.schema.json, and the tables in
// docs/json.md, with the types.
func TestReferenceOfJSONIsUpToDate(t *testing.T) {
	docs := comments{}
	definitions := map[string]any{}
	page := readText(t, "../../docs/json.md")
	describe := func(name, title string, schema map[string]any, write func(*strings.Builder)) {
		schema["title"] = title
		definitions[name] = schema
		begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("docs/json.md has no place for the keys of %s", name)
		}
		var rows strings.Builder
		rows.WriteString("| key | | meaning |\n|---|---|---|\n")
		write(&rows)
		page = before + begin + rows.String() + end + after
	}
	for _, o := range jsonOutputs {
		of := reflect.TypeOf(o.value)
		describe(o.name, o.command, docs.schema(t, of), func(rows *strings.Builder) { docs.rows(t, rows, of, "") })
	}
	for _, s := range shared {
		describe(s.name, s.title, docs.object(t, s.of), func(rows *strings.Builder) { docs.fieldRows(t, rows, docs.fields(t, s.of), "") })
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
	if words, ok := schema["enum"].([]string); ok && !slices.Contains(words, fmt.Sprint(value)) && value != "" {
		t.Errorf("%s is %v, want one of %v", at, value, words)
	}
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

// comments are what the sources say of types: the doc comments of fields, by package
// and type and name, and the words of types that have constants, by package and type.
type comments map[string]*declared

// declared is what a package says of a type.
type declared struct {
	fields map[string]string
	words  []word
	// names are those that the package exports.
	names map[string]bool
}

// word is a value that text may have, and what it means; empty where that is not said.
type word struct{ value, meaning string }

// jsonField is a field as JSON has it.
type jsonField struct {
	name, doc string
	optional  bool
	of        reflect.Type
	// oneOf are the types of a field of type any that may have several.
	oneOf []reflect.Type
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
		case name == "-":
		case field.IsExported() && name != "":
			all = append(all, jsonField{name, c.prose(t, of, field.Name), strings.Contains(options, "omit"), field.Type, alternatives[of.String()+"."+field.Name]})
		case field.IsExported():
			t.Errorf("%s.%s has no JSON key", of, field.Name)
		}
	}
	return all
}

// of is what the sources say of a type.
func (c comments) of(t *testing.T, of reflect.Type) *declared {
	t.Helper()
	key := of.PkgPath() + "." + of.Name()
	if c[key] != nil {
		return c[key]
	}
	d := &declared{fields: map[string]string{}, names: map[string]bool{}}
	c[key] = d
	dir := "."
	if below, ok := strings.CutPrefix(of.PkgPath(), module+"/"); ok && below != "cmd/slipway" {
		dir = filepath.Join("../..", below)
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
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				d.add(spec, of.Name())
			}
		}
	}
	return d
}

// add adds what a declaration says of the type of a name.
func (d *declared) add(spec ast.Spec, name string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		d.names[spec.Name.Name] = spec.Name.IsExported()
		fields, ok := spec.Type.(*ast.StructType)
		if !ok || spec.Name.Name != name {
			return
		}
		last := "" // the last field with a comment, which may be about those below it
		for _, f := range fields.Fields.List {
			for _, field := range f.Names {
				doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
				switch {
				case doc != "":
					last = field.Name
				case slices.Contains(identifier.FindAllString(d.fields[last], -1), field.Name):
					doc = "See " + last + "."
				}
				d.fields[field.Name] = doc
			}
		}
	case *ast.ValueSpec:
		for i, constant := range spec.Names {
			d.names[constant.Name] = constant.IsExported()
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != name || i >= len(spec.Values) {
				continue
			}
			literal, ok := spec.Values[i].(*ast.BasicLit)
			if !ok {
				continue
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				continue
			}
			_, meaning, _ := strings.Cut(strings.TrimSuffix(strings.Join(strings.Fields(spec.Doc.Text()), " "), "."), constant.Name+": ")
			d.words = append(d.words, word{value, meaning})
		}
	}
}

// foreign is of other modules: what is said of their fields, by type and name. The comments
// there are for programmers.
var foreign = map[string]string{
	"Versioned.SchemaVersion": "SchemaVersion is 2.",
	"Descriptor.MediaType":    "MediaType is that of the content.",
	"Descriptor.Digest":       "Digest is that of the content.",
	"Descriptor.Size":         "Size is that of the content, in bytes.",
	"Descriptor.URLs":         "URLs are other places of the content.",
	"Descriptor.Annotations":  "Annotations are about the content.",
	"Descriptor.Data":         "Data is the content itself, where it is small.",
	"Descriptor.Platform":     "Platform is what the content is for, where it is an image.",
	"Descriptor.ArtifactType": "ArtifactType is that of the content, where it is an artifact.",
	"Platform.Architecture":   "Architecture is as Go names it, such as amd64.",
	"Platform.OS":             "OS is as Go names it, such as linux.",
	"Platform.OSVersion":      "OSVersion is the version that is needed, of Windows.",
	"Platform.OSFeatures":     "OSFeatures are those that are needed, of Windows.",
	"Platform.Variant":        "Variant is that of the architecture, such as v7 of arm.",
	"Index.MediaType":         "MediaType is that of an index: OCI's, or Docker's of a manifest list.",
	"Index.ArtifactType":      "ArtifactType is that of the index, where it is an artifact.",
	"Index.Manifests":         "Manifests are the images of the index, with their attestations.",
	"Index.Subject":           "Subject is what the index is about, where it refers to something.",
	"Index.Annotations":       "Annotations are those of the index.",
}

var (
	identifier = regexp.MustCompile(`\b[A-Z]\w*\b`)
	nilWord    = regexp.MustCompile(`\bnil\b`)
)

// terms are words of the field that are names in the sources as well: they are the
// name of a field at the beginning of a sentence about it only.
var terms = []string{"BuildKit", "Go", "SSH"}

// prose is the doc comment of a field in the words of its readers, with the keys of
// JSON in the place of the names of fields. Other names of the sources are mistakes.
func (c comments) prose(t *testing.T, of reflect.Type, field string) string {
	t.Helper()
	var d declared
	text := foreign[of.Name()+"."+field]
	if own := strings.HasPrefix(of.PkgPath(), module) || of.PkgPath() == "main"; own {
		d = *c.of(t, of)
		text = d.fields[field]
	}
	if text == "" {
		t.Errorf("%s.%s has no doc comment: docs/json.md needs one", of, field)
	}
	keys := map[string]string{}
	for f := range of.Fields() {
		keys[f.Name], _, _ = strings.Cut(f.Tag.Get("json"), ",")
	}
	at := 0
	text = identifier.ReplaceAllStringFunc(text, func(name string) string {
		at++
		key := keys[name]
		switch {
		case slices.Contains(terms, name) && (at > 1 || name != field):
			return name
		case key != "" && key != "-":
			return "`" + key + "`"
		case d.names[name] && !slices.Contains(terms, name):
			t.Errorf("the doc comment of %s.%s has the name %s, which readers of JSON do not know", of, field, name)
		}
		return name
	})
	if nilWord.MatchString(text) {
		t.Errorf("the doc comment of %s.%s has the word nil, which JSON does not have", of, field)
	}
	return text
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
	case of.Kind() == reflect.Interface:
		return map[string]any{} // any JSON
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Uint8:
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	case sharedName(of) != "":
		return map[string]any{"$ref": "#/$defs/" + sharedName(of)}
	}
	switch of.Kind() {
	case reflect.Pointer:
		return c.schema(t, of.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": c.schema(t, of.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "required": []string{}, "additionalProperties": c.schema(t, of.Elem())}
	case reflect.Struct:
		return c.object(t, of)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.String:
		schema := map[string]any{"type": "string"}
		if words := c.words(t, of); len(words) > 0 {
			values := make([]string, len(words))
			for i, w := range words {
				values[i] = w.value
			}
			schema["enum"] = values
		}
		return schema
	}
	t.Fatalf("%s has no place in JSON", of)
	return nil
}

// object is the JSON Schema of a struct.
func (c comments) object(t *testing.T, of reflect.Type) map[string]any {
	t.Helper()
	properties, required := map[string]any{}, []string{}
	for _, f := range c.fields(t, of) {
		property := c.schema(t, f.of)
		for _, one := range f.oneOf {
			options, _ := property["oneOf"].([]any)
			property["oneOf"] = append(options, c.schema(t, one))
		}
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
}

// words are the values that a type of text of the module has; none for any text.
func (c comments) words(t *testing.T, of reflect.Type) []word {
	t.Helper()
	if of.Kind() != reflect.String || !strings.HasPrefix(of.PkgPath(), module) {
		return nil
	}
	return c.of(t, of).words
}

// rows writes a row of docs/json.md for every key of a type.
func (c comments) rows(t *testing.T, b *strings.Builder, of reflect.Type, at string) {
	t.Helper()
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer || of.Kind() == reflect.Map {
		switch of.Kind() {
		case reflect.Slice:
			at += "[]"
		case reflect.Map:
			at += "[NAME]"
		}
		of = of.Elem()
	}
	if of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]() && sharedName(of) == "" {
		c.fieldRows(t, b, c.fields(t, of), at)
	}
}

// fieldRows writes the rows of fields and of what is below them.
func (c comments) fieldRows(t *testing.T, b *strings.Builder, fields []jsonField, at string) {
	t.Helper()
	for _, f := range fields {
		key := f.name
		if strings.Contains(key, ".") {
			key = strconv.Quote(key)
		}
		name := strings.TrimPrefix(at+"."+key, ".")
		kind := kindWord(f.of)
		if f.optional {
			kind += ", may be absent"
		}
		doc := f.doc
		if words := c.words(t, f.of); len(words) > 0 {
			list := make([]string, len(words))
			for i, w := range words {
				list[i] = "`" + w.value + "`"
				if w.meaning != "" {
					list[i] += " (" + w.meaning + ")"
				}
			}
			doc += " One of " + strings.Join(list, ", ") + "."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, kind, reference.Cell(doc))
		c.rows(t, b, f.of, name)
		c.fieldRows(t, b, c.merged(t, f.oneOf), name)
	}
}

// merged are the fields of all of the types; those that not all have may be absent.
func (c comments) merged(t *testing.T, of []reflect.Type) []jsonField {
	t.Helper()
	var all []jsonField
	times := map[string]int{}
	for _, one := range of {
		for _, f := range c.fields(t, one) {
			if times[f.name]++; times[f.name] == 1 {
				all = append(all, f)
			}
		}
	}
	for i, f := range all {
		all[i].optional = f.optional || times[f.name] < len(of)
	}
	return all
}

func kindWord(of reflect.Type) string {
	switch {
	case sharedName(of) != "":
		return sharedName(of)
	case of.Kind() == reflect.Slice && sharedName(of.Elem()) != "":
		return "list of " + sharedName(of.Elem()) + "s"
	case of == reflect.TypeFor[time.Time]() || of == reflect.TypeFor[*time.Time]():
		return "time"
	case of == reflect.TypeFor[builders.Seconds]():
		return "seconds"
	case of == reflect.TypeFor[json.RawMessage]():
		return "object"
	case of.Kind() == reflect.Interface:
		return "object"
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Uint8:
		return "text in base64"
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
