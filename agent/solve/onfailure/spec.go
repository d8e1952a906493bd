package onfailure

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/suggest"
)

// Flag is the flag that asks for files of a failed step.
const Flag = "--on-failure"

// DefaultMax is how much is copied of a step where nothing is said, in bytes.
const DefaultMax = 256 << 20

// Spec is a parsed --on-failure.
type Spec struct {
	// Dest is the directory on the agent; empty only without Paths.
	Dest string
	// Paths are patterns of files and directories: relative ones begin in the working
	// directory of the step. * and ? match within a name, ** any number of directories.
	// Without one the working directory is listed, and nothing is copied.
	Paths []string
	// Max bounds the size of all files of one step, in bytes.
	Max int64
}

// specForm is what a value of the flag looks like.
const specForm = "the form is dest=DIR,path=PATTERN[,path=PATTERN...][,max=SIZE], for example dest=reports,path=target/surefire-reports"

// Parse parses a value of --on-failure. The error is a *fault.Usage.
func Parse(value string) (Spec, error) {
	fail := func(problem, hint string) (Spec, error) {
		return Spec{}, &fault.Usage{Flag: Flag, Value: value, Problem: problem, Hint: hint}
	}
	if value == "" {
		return fail("is empty", specForm)
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return fail(fmt.Sprintf("is not valid CSV: %s", err), specForm)
	}
	s := Spec{Max: DefaultMax}
	seen := map[string]bool{}
	for _, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		switch {
		case !ok:
			return fail(fmt.Sprintf("%q is not key=value", field), specForm)
		case v == "":
			return fail(key+" is empty", specForm)
		case strings.ContainsRune(v, 0):
			return fail(key+" has a zero byte", "")
		case seen[key] && key != "path":
			return fail(key+" is given twice", specForm)
		}
		seen[key] = true
		switch key {
		case "dest":
			s.Dest = v
		case "path":
			if problem := checkPattern(v); problem != "" {
				return fail(fmt.Sprintf("path=%s %s", v, problem), "* and ? match within a name, ** any number of directories")
			}
			s.Paths = append(s.Paths, v)
		case "max":
			s.Max, err = units.RAMInBytes(v)
			if err != nil || s.Max <= 0 {
				return fail(fmt.Sprintf("max=%s is not a size", v), "the form is a number with b, k, m or g, for example 64m")
			}
		default:
			hint := specForm
			if near := suggest.Nearest(key, []string{"dest", "path", "max"}); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return fail(fmt.Sprintf("unknown key %q", key), hint)
		}
	}
	switch {
	case s.Dest == "-":
		return fail("dest is standard output", "give a directory: dest=DIR")
	case s.Dest == "" && len(s.Paths) > 0:
		return fail("dest is missing", specForm)
	case s.Dest == "":
		return fail("has neither dest nor path", specForm)
	}
	return s, nil
}

// checkPattern says what is wrong with a pattern; empty when nothing is.
func checkPattern(pattern string) string {
	if slices.Contains(strings.Split(pattern, "/"), "..") {
		return `has the directory ".."`
	}
	for _, name := range strings.Split(pattern, "/") {
		if _, err := path.Match(name, ""); err != nil {
			return "is not a valid pattern"
		}
	}
	return ""
}
