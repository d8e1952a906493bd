package configmap

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
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
	set, err := Load(nil, "testdata/mistakes/kube.json")
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
		"GC":         fieldRows(gcFields()),
		"Kubernetes": optionRows(kubernetesOptions()),
		"Remote":     optionRows(remoteOptions()),
		"Local":      optionRows(localOptions()),
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

func TestReferenceSchemaIsUpToDate(t *testing.T) {
	schema, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "docs", "definition.schema.json"), schema)
}
