// Package baking is what slipway bake makes of its command line: which files are read,
// what is listed, and the flags of a build that a target is.
package baking

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/bake"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/table"
)

// hostContext is BAKE_CMD_CONTEXT of files that are here.
const hostContext = "cwd://"

// Read reads the files of a command: those named, else those of bake.DefaultFiles that
// are there.
func Read(files *source.Reader, names []string) ([]bake.File, error) {
	standard := len(names) == 0
	if standard {
		names = bake.DefaultFiles
	}
	var all []bake.File
	for _, name := range names {
		var data []byte
		var err error
		if name == "-" {
			data, err = files.ReadStdin(bake.MaxFile)
		} else {
			data, err = files.Read(strings.TrimPrefix(name, hostContext), bake.MaxFile)
		}
		switch {
		case standard && errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, &fault.Usage{Flag: "--file", Value: name, Problem: fault.Cause(err)}
		}
		all = append(all, bake.File{Name: name, Data: data})
	}
	if len(all) == 0 {
		return nil, &fault.Usage{Flag: "--file", Problem: "there is no bake file here", Hint: "name one with --file; without it these are looked for: " + strings.Join(bake.DefaultFiles, ", ")}
	}
	return all, nil
}

// Names are the files of a variable; without a separator they are as in PATH.
func Names(value, separator string) []string {
	var names []string
	for name := range strings.SplitSeq(value, cmp.Or(separator, string(filepath.ListSeparator))) {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Variables parses the values of --var, NAME=VALUE.
func Variables(values []string) (map[string]string, error) {
	all := map[string]string{}
	for _, value := range values {
		if value == "" { // pipelines pass variables that may be empty
			continue
		}
		name, text, ok := strings.Cut(value, "=")
		if !ok || name == "" {
			return nil, &fault.Usage{Flag: "--var", Value: value, Problem: "is not NAME=VALUE"}
		}
		all[name] = text
	}
	return all, nil
}

// Parallel parses --jobs: a number, or MODE[,parallel=N]. keepGoing says that a target's
// failure does not end the others.
func Parallel(value string) (n int, keepGoing bool, err error) {
	fail := func(problem string) (int, bool, error) {
		return 0, false, &fault.Usage{Flag: "--jobs", Value: value, Problem: problem, Hint: "the form is N, or fail-fast, defer-output or defer-error, with ,parallel=N"}
	}
	if value = strings.TrimSpace(value); value == "" {
		return 0, false, nil
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return fail("is not valid CSV: " + err.Error())
	}
	for _, field := range fields {
		key, text, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok {
			key, text = "mode", key
			if _, err := strconv.Atoi(text); err == nil {
				key = "parallel"
			}
		}
		switch key {
		case "mode":
			if !slices.Contains([]string{"fail-fast", "defer-output", "defer-error"}, text) {
				return fail(fmt.Sprintf("unknown mode %q", text))
			}
			keepGoing = text == "defer-error"
		case "parallel":
			if n, err = strconv.Atoi(text); err != nil || n < 0 {
				return fail(fmt.Sprintf("%q is no number of builds", text))
			}
		default:
			return fail(fmt.Sprintf("unknown key %q", key))
		}
	}
	return n, keepGoing, nil
}

// Spec is a target as the flags of a build, but for the contexts that are other targets:
// those are the links, by the name of the context.
func Spec(t *bake.Target) (spec solve.Spec, links map[string]string, err error) {
	spec = solve.Spec{
		Context:       *t.Context,
		Dockerfile:    t.DockerfilePath(),
		Target:        text(t.Target),
		Platforms:     t.Platforms,
		Tags:          t.Tags,
		Outputs:       bake.Flags(t.Outputs),
		BuildArgs:     pairs(t.Args),
		Labels:        pairs(t.Labels),
		Annotations:   t.Annotations,
		Attests:       bake.Flags(t.Attest),
		CacheFrom:     bake.Flags(t.CacheFrom),
		CacheTo:       bake.Flags(t.CacheTo),
		Secrets:       bake.Flags(t.Secrets),
		NoCache:       t.NoCache != nil && *t.NoCache,
		NoCacheFilter: t.NoCacheFilter,
		Pull:          t.Pull != nil && *t.Pull,
		ExtraHosts:    pairs(t.ExtraHosts),
		Network:       text(t.NetworkMode),
		ShmSize:       text(t.ShmSize),
		Ulimits:       t.Ulimits,
		Resources:     t.Resources.Flags(),
		Allow:         t.Entitlements,
	}
	if t.DockerfileInline != nil {
		spec.Dockerfile, spec.DockerfileInline = "", *t.DockerfileInline
	}
	for _, one := range t.SSH {
		spec.SSH = append(spec.SSH, one.Flag())
	}
	links = map[string]string{}
	linked := t.Links()
	for _, name := range slices.Sorted(maps.Keys(t.Contexts)) {
		if target, ok := linked[name]; ok {
			known, err := solve.ContextName(name)
			if err != nil {
				return spec, nil, &fault.Usage{Flag: "contexts", Value: name, Problem: "the name is not valid: " + err.Error()}
			}
			links[known] = target
			continue
		}
		spec.BuildContexts = append(spec.BuildContexts, name+"="+strings.TrimPrefix(t.Contexts[name], hostContext))
	}
	return spec, links, nil
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

// pairs are the entries of a map as NAME=VALUE, sorted.
func pairs(m map[string]*string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] != nil {
			all = append(all, name+"="+*m[name])
		}
	}
	return all
}

// listed is a row of --list=targets.
type listed struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Group       bool   `json:"group,omitempty"`
}

// List prints what --list asks for: targets or variables, as a table or as JSON.
func List(w, jsonOut io.Writer, what string, c *bake.Config) error {
	kind, format, err := parseList(what)
	if err != nil {
		return err
	}
	if kind == "variables" {
		variables := slices.Clone(c.Variables)
		slices.SortFunc(variables, func(a, b bake.Variable) int { return cmp.Compare(a.Name, b.Name) })
		if format == "json" {
			return printJSON(jsonOut, variables)
		}
		t := table.New(w, 3, 0)
		fmt.Fprintln(t, "VARIABLE\tTYPE\tVALUE\tDESCRIPTION")
		for _, v := range variables {
			value := "<null>"
			if v.Value != nil {
				value = *v.Value
			}
			sanitize.Fprintf(t, "%s\t%s\t%s\t%s\n", v.Name, v.Type, value, v.Description)
		}
		return t.Flush()
	}
	rows := targets(c)
	if format == "json" {
		return printJSON(jsonOut, rows)
	}
	t := table.New(w, 3, 0)
	fmt.Fprintln(t, "TARGET\tDESCRIPTION")
	for _, row := range rows {
		sanitize.Fprintf(t, "%s\t%s\n", row.Name, row.Description)
	}
	return t.Flush()
}

// targets are the targets and groups that are not private: those have names that begin
// with _.
func targets(c *bake.Config) []listed {
	rows := []listed{}
	for _, t := range c.Targets {
		rows = append(rows, listed{Name: t.Name, Description: t.Description})
	}
	for _, g := range c.Groups {
		description := strings.Join(slices.Sorted(slices.Values(g.Targets)), ", ")
		if g.Description != "" && description != "" {
			description = g.Description + " (" + description + ")"
		}
		rows = append(rows, listed{Name: g.Name, Description: cmp.Or(description, g.Description), Group: true})
	}
	rows = slices.DeleteFunc(rows, func(row listed) bool { return strings.HasPrefix(row.Name, "_") })
	slices.SortStableFunc(rows, func(a, b listed) int { return cmp.Compare(a.Name, b.Name) })
	return rows
}

func parseList(value string) (kind, format string, err error) {
	format = "table"
	for field := range strings.SplitSeq(value, ",") {
		key, text, ok := strings.Cut(strings.TrimSpace(field), "=")
		switch {
		case !ok:
			kind = key
		case key == "type":
			kind = text
		case key == "format":
			format = text
		default:
			kind = ""
		}
	}
	if kind != "targets" && kind != "variables" || format != "table" && format != "json" {
		return "", "", &fault.Usage{Flag: "--list", Value: value, Problem: "is not targets or variables, with ,format=json"}
	}
	return kind, format, nil
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
