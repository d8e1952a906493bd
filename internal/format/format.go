// Package format writes what commands have found: as JSON in one style, and by Go
// templates as docker's --format takes them.
package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"text/template"
)

// omitted tells whether encoding/json leaves a field out when it is empty.
func omitted(field reflect.StructField) bool {
	_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	return strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
}

// Template is a Go template in docker's form: for each row, or a table with
// headers when it begins with the word table.
type Template struct {
	table bool
	rows  *template.Template
	text  string
	given string
}

// ExecError says why a template does not fit the rows that were found.
type ExecError struct {
	// Template is its text as it was given.
	Template string
	reason   error
}

// Error implements error.
func (e *ExecError) Error() string { return e.reason.Error() }

// ErrNoTemplate says that a text holds no action of a template.
var ErrNoTemplate = errors.New("is no Go template")

// functions are those of docker's templates.
var functions = template.FuncMap{
	"json": func(v any) (string, error) {
		data, err := json.Marshal(filled(reflect.ValueOf(v)).Interface())
		return string(data), err
	},
	"split": strings.Split,
	"join":  func(list []string, by string) string { return strings.Join(list, by) },
	"title": func(s string) string {
		if s == "" {
			return s
		}
		return strings.ToUpper(s[:1]) + s[1:]
	},
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
	"pad": func(s string, before, after int) string {
		if s == "" {
			return s
		}
		return strings.Repeat(" ", max(before, 0)) + s + strings.Repeat(" ", max(after, 0))
	},
	"truncate": func(s string, n int) string {
		if r := []rune(s); n >= 0 && n < len(r) {
			return string(r[:n])
		}
		return s
	},
	"println": func(args ...any) string { return fmt.Sprintln(args...) },
}

// headerFunctions leave a header as it is.
var headerFunctions = template.FuncMap{
	"json":     func(s string) string { return s },
	"split":    func(s, _ string) string { return s },
	"join":     func(s, _ string) string { return s },
	"title":    func(s string) string { return s },
	"lower":    func(s string) string { return s },
	"upper":    func(s string) string { return s },
	"pad":      func(s string, _, _ int) string { return s },
	"truncate": func(s string, _ int) string { return s },
}

// Parse parses a template over rows like the given one, whose fields it may
// name. \t and \n in it are a tab and a new line. The error is ErrNoTemplate, or
// says what is wrong.
func Parse(text string, row any) (*Template, error) {
	body := strings.TrimSpace(text)
	rest, table := strings.CutPrefix(body, "table ")
	if table {
		body = strings.TrimSpace(rest)
	}
	if !strings.Contains(body, "{{") {
		return nil, ErrNoTemplate
	}
	body = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(body)
	t := &Template{table: table, text: body, given: text}
	var err error
	if t.rows, err = template.New("").Funcs(functions).Parse(body); err != nil {
		return nil, plain(err)
	}
	// What has no such field is found before anything is asked for; an empty row
	// may lack what a full one has.
	if err := t.rows.Execute(io.Discard, row); err != nil && strings.Contains(err.Error(), "can't evaluate field") {
		return nil, plain(err)
	}
	return t, nil
}

// Strict makes a key that a map does not have an error, and returns the template.
func (t *Template) Strict() *Template {
	t.rows.Option("missingkey=error")
	return t
}

// IsTable tells whether the rows go below headers.
func (t *Template) IsTable() bool { return t.table }

// plain drops what the standard library puts before the reason.
func plain(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	if _, rest, ok := strings.Cut(text, ": "); ok {
		text = rest
	}
	return errors.New(text)
}

// Write writes the rows, each with a new line. The headers are by the names of
// the fields. With an *ExecError nothing is written.
func (t *Template) Write(w io.Writer, headers map[string]string, rows []any) error {
	var out bytes.Buffer
	if err := t.render(&out, headers, rows); err != nil {
		return &ExecError{t.given, plain(err)}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// render fails by the template only: a buffer takes everything.
func (t *Template) render(w io.Writer, headers map[string]string, rows []any) error {
	if !t.table {
		return t.each(w, rows)
	}
	out := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	head, err := template.New("").Funcs(functions).Funcs(headerFunctions).Parse(t.text)
	if err != nil {
		return err
	}
	if err := head.Execute(out, headers); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := t.each(out, rows); err != nil {
		return err
	}
	return out.Flush()
}

func (t *Template) each(w io.Writer, rows []any) error {
	for _, row := range rows {
		if err := t.rows.Execute(w, row); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	return nil
}
