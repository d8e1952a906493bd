package configmap

import (
	"fmt"
	"strconv"
	"strings"
)

// field is a key of an object in a definition. The tables of fields are the
// schema: the reader, the reference and the JSON Schema are all made of them.
type field[T any] struct {
	name string
	// form says in a few words what the key holds.
	form string
	doc  string
	// schema is the JSON Schema of the value.
	schema map[string]any
	// read takes a value that is not null.
	read func(into *T, value any, r report)
}

// readObject reads an object by its table of fields. Keys match without
// regard to case, as in buildx; null is the same as an absent key.
func readObject[T any](fields []field[T], into *T, value any, r report) {
	object, ok := value.(map[string]any)
	if !ok {
		r.bad("must be an object, not %s", describe(value))
		return
	}
	seen := make(map[string]string, len(object))
	for _, key := range keysOf(object) {
		known := findField(fields, key)
		if known == nil {
			names := make([]string, len(fields))
			for i := range fields {
				names[i] = fields[i].name
			}
			r.key(key).hinting("%s", didYouMean(key, names)).bad("unknown key")
			continue
		}
		if first, twice := seen[known.name]; twice {
			r.key(key).bad("the same key stands there as %q too", first)
			continue
		}
		seen[known.name] = key
		if object[key] != nil {
			known.read(into, object[key], r.key(known.name))
		}
	}
}

func findField[T any](fields []field[T], key string) *field[T] {
	for i := range fields {
		if strings.EqualFold(fields[i].name, key) {
			return &fields[i]
		}
	}
	return nil
}

// describe names a value of the tree without repeating it at length: it may be
// long, and it may be a secret at the wrong place.
func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("%T", value)
}

// readString says whether the value was a string.
func readString(into *string, value any, r report) bool {
	s, ok := value.(string)
	if !ok {
		switch value.(type) {
		case bool, int64, float64: // YAML reads a bare n as false
			r = r.hinting("put the value in quotes")
		}
		r.bad("must be a string, not %s", describe(value))
		return false
	}
	*into = s
	return true
}

// readList calls read for each element.
func readList(value any, r report, read func(i int, element any, r report)) {
	list, ok := value.([]any)
	if !ok {
		r.bad("must be a list, not %s", describe(value))
		return
	}
	for i, element := range list {
		read(i, element, r.index(i))
	}
}
