package model

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// namesOnly are flags whose values, NAME=VALUE, may be secret: only names are told.
var namesOnly = []string{"build-arg", "registry-auth"}

// Inputs are for a glance: of long values and of many they have the beginning.
const (
	maxInput  = 256     // bytes of a value
	maxInputs = 2 << 10 // bytes of all
)

// Inputs returns the flags and arguments of a command line for people, in their order, one
// "NAME: VALUE" for each value. What comes from a variable or a default is not among them.
func Inputs(parsed *kong.Context) []string {
	var all []string
	seen := map[string]bool{}
	size, more := 0, 0
	for _, part := range parsed.Path {
		value := part.Positional
		switch {
		case part.Resolved:
			continue
		case part.Flag != nil:
			value = part.Flag.Value
		case value == nil:
			continue
		}
		if seen[value.Name] { // its values are all told where the first one stands
			continue
		}
		seen[value.Name] = true
		for _, text := range texts(value.Target) {
			if slices.Contains(namesOnly, value.Name) {
				text, _, _ = strings.Cut(text, "=")
			}
			if len(text) > maxInput {
				text = strings.ToValidUTF8(text[:maxInput], "") + " [shortened]"
			}
			if size += len(value.Name) + len(text); size > maxInputs {
				more++
				continue
			}
			all = append(all, value.Name+": "+text)
		}
	}
	if more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return all
}

// texts are the values of a flag as they are written.
func texts(value reflect.Value) (all []string) {
	if value.Kind() != reflect.Slice {
		return []string{fmt.Sprint(value.Interface())}
	}
	for i := range value.Len() {
		all = append(all, fmt.Sprint(value.Index(i).Interface()))
	}
	return all
}
