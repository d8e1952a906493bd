package configmap

import (
	"strconv"
	"strings"
	"time"
)

// option is a driver-opt. The tables of options are the one place that knows
// them: the reader, the reference and the JSON Schema are made of them.
type option[T any] struct {
	// name is the key. One that ends in ".NAME" stands for all keys with that
	// prefix.
	name string
	// form says in a few words what a value looks like; example is one.
	form, example string
	// standard is the default, for the reference; empty for none.
	standard string
	doc      string
	// bare says which values may stand without quotes in YAML. buildx takes
	// strings only.
	bare bare
	// unset is true where buildx takes the empty string for an absent option.
	unset bool
	// misspelt is the name that the older documents of buildx give the option.
	misspelt string
	// read takes the value of the option. The key is the whole one.
	read func(into *T, key, value string, r report)
}

// bare is a set of value types other than string.
type bare int

const (
	bareInteger bare = 1 << iota
	bareFraction
	bareBool
)

const variablePart = "NAME"

const unknownOption = "unknown option"

// matches says whether a key of DriverOpts means the option.
func (o option[T]) matches(key string) bool {
	if prefix, ok := strings.CutSuffix(o.name, variablePart); ok {
		return strings.HasPrefix(key, prefix)
	}
	return key == o.name || o.misspelt != "" && key == o.misspelt
}

// readOptions reads a node's options in the order of their names. Unlike the
// keys around them they match exactly, in buildx too.
func readOptions[T any](table []option[T], into *T, options map[string]any, r report) {
	for _, key := range keysOf(options) {
		r := r
		r.option = "driver-opt " + key
		known := findOption(table, key)
		if known == nil {
			names := make([]string, len(table))
			for i := range table {
				names[i] = table[i].name
			}
			r.hinting("%s", didYouMean(key, names)).bad(unknownOption)
			continue
		}
		if options[key] == nil { // json leaves the string empty here
			options[key] = ""
		}
		if known.misspelt == key {
			if _, both := options[known.name]; both {
				r.bad("is another spelling of %s, which is given too", known.name)
				continue
			}
			r.warn("is a misspelling of %s; buildx refuses it", known.name)
		}
		r = r.hinting("%s is %s, for example %s", known.name, known.form, known.example)
		value, ok := known.text(options[key])
		switch {
		case !ok:
			r.hinting("put the value in quotes").bad("must be a string, not %s", describe(options[key]))
		case value == "" && known.unset:
		default:
			known.read(into, key, value, r)
		}
	}
}

func findOption[T any](table []option[T], key string) *option[T] {
	for i := range table {
		if table[i].matches(key) {
			return &table[i]
		}
	}
	return nil
}

// seconds writes a default as people do: 120s, not 2m0s.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s" }

// text is the string that stands in the file, or would if it was quoted. A
// number is taken only where its notation makes no difference: 1.10 without
// quotes is 1.1 by the time it gets here.
func (o option[T]) text(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), o.bare&bareInteger != 0
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), o.bare&bareFraction != 0
	case bool:
		return strconv.FormatBool(v), o.bare&bareBool != 0
	}
	return "", false
}
