package kaniko

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/suggest"
)

// values are the flags that were given, by their names, deprecated spellings by those
// of today.
type values struct {
	given map[string][]string
	// old are the deprecated spellings that were given.
	old []Flag
}

// text is the last value of a flag; fallback where it is not given.
func (v values) text(name, fallback string) string {
	if all := v.given[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return fallback
}

// all are the values of a flag that are not empty: pipelines pass variables that may be.
func (v values) all(name string) []string {
	return slices.DeleteFunc(slices.Clone(v.given[name]), func(s string) bool { return s == "" })
}

// on is the value of a boolean flag; fallback where it is not given.
func (v values) on(name string, fallback bool) bool {
	on, err := strconv.ParseBool(v.text(name, ""))
	if err != nil { // parse lets nothing else through but what is not given
		return fallback
	}
	return on
}

// number is the value of a whole number; fallback where it is not given.
func (v values) number(name string, fallback int) int {
	n, err := strconv.Atoi(v.text(name, ""))
	if err != nil { // as on
		return fallback
	}
	return n
}

// parse reads a command line as the library pflag does, which kaniko has. All mistakes
// are reported at once, as a fault.List of *fault.Usage.
func parse(args []string) (values, error) {
	v := values{given: map[string][]string{}}
	flags := Flags()
	var all fault.List
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, value, assigned, problem := split(flags, arg)
		if problem != nil {
			all = append(all, problem)
			continue
		}
		flag := flags[slices.IndexFunc(flags, func(f Flag) bool { return f.Name == name })]
		switch {
		case assigned:
		case flag.kind == boolean:
			value = "true"
		case i+1 == len(args):
			all = append(all, &fault.Usage{Flag: "--" + name, Problem: "needs a value"})
			continue
		default:
			i++
			value = args[i]
		}
		if problem := flag.check(value); problem != "" {
			all = append(all, &fault.Usage{Flag: "--" + name, Value: value, Problem: problem})
			continue
		}
		if flag.alias != "" {
			v.old = append(v.old, flag)
			name = flag.alias
		}
		v.given[name] = append(v.given[name], value)
	}
	return v, all.Err()
}

// split finds the flag of an argument, and its value where that is in the argument.
func split(flags []Flag, arg string) (name, value string, assigned bool, problem *fault.Usage) {
	if long, ok := strings.CutPrefix(arg, "--"); ok && long != "" {
		name, value, assigned = strings.Cut(long, "=")
		if slices.ContainsFunc(flags, func(f Flag) bool { return f.Name == name }) {
			return name, value, assigned, nil
		}
		return "", "", false, unknown(flags, name)
	}
	if short, ok := strings.CutPrefix(arg, "-"); ok && short != "" && arg != "--" {
		for _, f := range flags {
			if f.Short != "" && strings.HasPrefix(short, f.Short) {
				value = strings.TrimPrefix(short[1:], "=")
				return f.Name, value, len(short) > 1, nil
			}
		}
		return "", "", false, &fault.Usage{Flag: "-" + short, Problem: "is not a flag of kaniko's executor", Hint: ownSettings}
	}
	return "", "", false, &fault.Usage{Flag: "argument", Value: arg, Problem: "is not a flag: kaniko's executor takes flags only", Hint: "the build context is the value of --context"}
}

// ownSettings says how Slipway is told what kaniko has no flags for.
const ownSettings = "executor --help lists the flags; settings of Slipway itself are variables here, such as SLIPWAY_BUILDER"

// unknown is the mistake of a flag that kaniko does not have.
func unknown(flags []Flag, name string) *fault.Usage {
	names := make([]string, len(flags))
	for i, f := range flags {
		names[i] = f.Name
	}
	hint := ownSettings
	if near := suggest.Nearest(name, names); near != "" {
		hint = "did you mean --" + near + "? " + ownSettings
	}
	return &fault.Usage{Flag: "--" + name, Problem: "is not a flag of kaniko's executor " + Release, Hint: hint}
}

// check finds what is wrong with a value; empty for nothing.
func (f Flag) check(value string) string {
	var err error
	switch f.kind {
	case boolean:
		_, err = strconv.ParseBool(value)
	case integer:
		_, err = strconv.Atoi(value)
	case duration:
		_, err = time.ParseDuration(value)
	case text, list:
	}
	switch {
	case err != nil && f.kind == boolean:
		return "is neither true nor false"
	case err != nil && f.kind == integer:
		return "is not a whole number"
	case err != nil:
		return "is not a duration such as 6h"
	case f.words != nil && !slices.Contains(f.words, value):
		return fmt.Sprintf("is not %s", strings.Join(f.words, ", "))
	}
	return ""
}
