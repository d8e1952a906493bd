package event

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// fill sets every field that a value reaches, so that a round through JSON shows
// those that are lost.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"def":"x"}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element)
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), element)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	}
}

// TestEventsAsJSON has every kind of event go through JSON and come back. A kind has
// one name there, that of its field.
func TestEventsAsJSON(t *testing.T) {
	kinds := 0
	for i := range reflect.TypeFor[Event]().NumField() {
		field := reflect.TypeFor[Event]().Field(i)
		if field.Type.Kind() != reflect.Pointer {
			continue
		}
		kinds++
		if field.Name != field.Type.Elem().Name() {
			t.Errorf("field %s has type %s", field.Name, field.Type.Elem().Name())
		}
		e := Event{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Node: "n", Platforms: []string{"linux/arm64"}, Pod: "n-0"}
		value := reflect.New(field.Type.Elem())
		fillImages(value)
		reflect.ValueOf(&e).Elem().Field(i).Set(value)
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var names map[string]json.RawMessage
		if err := json.Unmarshal(data, &names); err != nil {
			t.Fatal(err)
		}
		if len(names) != 5 {
			t.Errorf("%s has %d keys: %s", field.Name, len(names), data)
		}
		var back Event
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Errorf("%s comes back (-want +got):\n%s", field.Name, diff)
		}
	}
	if kinds < 14 {
		t.Errorf("there are %d kinds: the test overlooks some", kinds)
	}
}

// fillImages is fill for the body of an event. Images are those of another project.
func fillImages(v reflect.Value) {
	fill(v.Elem())
	image := &ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageIndex, Digest: digest.FromString("x"), Size: 3}
	switch body := v.Interface().(type) {
	case *Solved:
		body.Image = image
	case *Published:
		body.Image, body.Images = image, map[string]ocispecs.Descriptor{"linux/arm64": *image}
	}
}

func TestSize(t *testing.T) {
	text := make([]byte, 1000)
	for name, p := range map[string]*Progress{
		"a step":    {Vertexes: []*Vertex{{Name: string(text)}}},
		"an error":  {Vertexes: []*Vertex{{Error: string(text)}}},
		"a part":    {Statuses: []*Status{{ID: string(text)}}},
		"output":    {Logs: []*Log{{Data: text}}},
		"a warning": {Warnings: []*Warning{{Detail: [][]byte{text}}}},
		"a source":  {Warnings: []*Warning{{Source: &Source{Data: text}}}},
	} {
		if got := (Event{Progress: p}).size(); got < 1000 || got > 2000 {
			t.Errorf("%s of 1000 bytes counts %d", name, got)
		}
	}
}
