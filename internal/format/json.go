package format

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
)

// JSON writes a value as one indented document and a newline. Lists and maps are
// never null: those that are nil are written as empty ones.
func JSON(w io.Writer, value any) error { return write(w, value, "  ") }

// JSONLine is JSON in one line.
func JSONLine(w io.Writer, value any) error { return write(w, value, "") }

func write(w io.Writer, value any, indent string) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(filled(reflect.ValueOf(value)).Interface()); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// filled is a copy of a value whose lists and maps are not nil. What writes its
// own JSON stays as it is, and so does a field that is left out when it is empty.
func filled(v reflect.Value) reflect.Value {
	if !v.IsValid() || v.Type().Implements(marshaler) || reflect.PointerTo(v.Type()).Implements(marshaler) {
		return v
	}
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 { // JSON has it as text
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(filled(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for _, key := range v.MapKeys() {
			out.SetMapIndex(key, filled(v.MapIndex(key)))
		}
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(filled(v.Elem()))
		return out
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		out.Set(filled(v.Elem()))
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			field := v.Field(i)
			if !out.Field(i).CanSet() || omitted(v.Type().Field(i)) && field.IsZero() {
				continue
			}
			out.Field(i).Set(filled(field))
		}
		return out
	}
	return v
}
