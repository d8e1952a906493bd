package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/suggest"
)

// Error is something wrong in a policy: File and Path say where.
type Error struct {
	File, Path, Problem, Hint string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Path == "" {
		return e.File + ": " + e.Problem
	}
	return e.File + ": " + e.Path + ": " + e.Problem
}

// Hints says what to do.
func (e *Error) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// Parse reads a policy, YAML or JSON. All that is wrong is in the error, by file and
// path.
func Parse(file string, text []byte) (*Policy, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	var tree any
	if err := decoder.Decode(&tree); errors.Is(err, io.EOF) {
		return nil, &Error{File: file, Problem: "is empty", Hint: "{} allows builds that neither push nor use anything special"}
	} else if err != nil {
		return nil, &Error{File: file, Problem: "is not valid YAML: " + strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")}
	}
	var more any
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &Error{File: file, Problem: "holds more than one document"}
	}
	r := reader{file: file}
	r.read("", tree, reflect.TypeFor[File](), "")
	if err := r.wrong.Err(); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return nil, &Error{File: file, Problem: err.Error()}
	}
	var f File
	if err := json.Unmarshal(plain, &f); err != nil {
		return nil, &Error{File: file, Problem: err.Error()}
	}
	p, err := f.compile()
	if err != nil {
		var all fault.List
		if !errors.As(err, &all) {
			all = fault.List{err}
		}
		for i := range all {
			all[i] = fmt.Errorf("%s: %w", file, all[i])
		}
		return nil, all
	}
	return p, nil
}

// reader holds a tree against the types of a policy.
type reader struct {
	file  string
	wrong fault.List
}

func (r *reader) bad(path, hint, format string, args ...any) {
	r.wrong = append(r.wrong, &Error{File: r.file, Path: path, Problem: fmt.Sprintf(format, args...), Hint: hint})
}

// read checks a value; null is the same as an absent key. tag is that of its field.
func (r *reader) read(path string, v any, of reflect.Type, tag reflect.StructTag) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if v == nil && path != "" {
		return
	}
	switch {
	case of == reflect.TypeFor[Duration]():
		s, ok := v.(string)
		if _, err := time.ParseDuration(s); !ok || err != nil {
			r.bad(path, "", "must be a duration such as 30m, not %s", shown(v))
		}
	case of.Kind() == reflect.Struct:
		object, ok := v.(map[string]any)
		if !ok {
			r.bad(path, "", "must be an object, not %s", shown(v))
			return
		}
		known := fieldsOf(of)
		for _, key := range slices.Sorted(maps.Keys(object)) {
			i := slices.IndexFunc(known, func(f reflect.StructField) bool { return nameOf(f) == key })
			if i < 0 {
				r.bad(join(path, key), didYouMean(key, known), "unknown key")
				continue
			}
			r.read(join(path, key), object[key], known[i].Type, known[i].Tag)
		}
	case of.Kind() == reflect.Map:
		object, ok := v.(map[string]any)
		if !ok {
			r.bad(path, "", "must be an object, not %s", shown(v))
			return
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			r.read(fmt.Sprintf("%s[%q]", path, key), object[key], of.Elem(), "")
		}
	case of.Kind() == reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			r.bad(path, "", "must be a list, not %s", shown(v))
			return
		}
		for i, element := range list {
			r.element(fmt.Sprintf("%s[%d]", path, i), element, tag.Get("enum"))
		}
	case of.Kind() == reflect.Bool:
		if _, ok := v.(bool); !ok {
			r.bad(path, "", "must be true or false, not %s", shown(v))
		}
	case of.Kind() == reflect.Int:
		least, _ := strconv.Atoi(tag.Get("min"))
		if n, ok := v.(int); !ok || n < least || n > math.MaxInt32 {
			r.bad(path, "", "must be a whole number from %d, not %s", least, shown(v))
		}
	default:
		r.element(path, v, "")
	}
}

// element checks a string, which is one of a list if there is one.
func (r *reader) element(path string, v any, enum string) {
	s, ok := v.(string)
	words := strings.Split(enum, ",")
	switch {
	case !ok:
		r.bad(path, "", "must be a string, not %s", shown(v))
	case enum != "" && !slices.Contains(words, s):
		hint := "there are " + strings.Join(words, ", ")
		if near := suggest.Nearest(s, words); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		r.bad(path, hint, "%q is not known", s)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func didYouMean(key string, known []reflect.StructField) string {
	var names []string
	for _, f := range known {
		names = append(names, nameOf(f))
	}
	if near := suggest.Nearest(key, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "there are " + strings.Join(names, ", ")
}

// shown names a value without repeating it at length.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return short(v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}

// fieldsOf are the fields of a type with those of embedded ones.
func fieldsOf(of reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(of), func(f reflect.StructField) bool { return f.Anonymous })
}

// nameOf is the key of a field.
func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
