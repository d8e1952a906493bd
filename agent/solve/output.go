package solve

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/go-csvvalue"
)

// Output is a parsed --output: one exporter.
type Output struct {
	// Type is the exporter's name as BuildKit has it.
	Type string
	// Dest is where the result goes on the agent; empty for exporters that
	// write nothing there.
	Dest string
	// Attrs are the exporter's other attributes, keys in lower case.
	Attrs map[string]string
}

// outputType is one row of the table of exporters.
type outputType struct {
	name string
	// check finds mistakes that show without looking at the file system; nil
	// when the type is not supported.
	check func(Output) (problem, hint string)
	// open checks the destination and returns what receives the result.
	open func(o Output, allowDelete bool) (sink, *UsageError)
}

// outputTypes is every exporter that docker buildx build takes. A type
// without functions is refused by name.
func outputTypes() []outputType {
	return []outputType{
		{name: client.ExporterLocal, check: checkLocal, open: openLocal},
		{name: client.ExporterTar},
		{name: client.ExporterOCI},
		{name: client.ExporterDocker},
		{name: client.ExporterImage},
		{name: "registry"},
		{name: "cacheonly"},
	}
}

func findOutputType(name string) (outputType, bool) {
	for _, t := range outputTypes() {
		if t.name == name {
			return t, true
		}
	}
	return outputType{}, false
}

// sink receives what the solves of a build produce for one output.
type sink interface {
	// begin returns the exporter entry for one solve and the function that
	// ends it: keep says whether its result counts.
	begin(job Job) (entry client.ExportEntry, end func(keep bool) error, err error)
	// check fails when commit would, so that several outputs appear all or
	// not at all as far as that can be known.
	check() error
	// commit makes the results that were kept appear.
	commit() error
	// close removes whatever was not committed.
	close() error
}

// ParseOutput parses --output: type=TYPE[,dest=PATH][,KEY=VALUE…] as CSV,
// DIR for type=local,dest=DIR, or - for type=tar,dest=-. Types that cannot be
// had are refused by name. The error is a *UsageError.
func ParseOutput(value string) (Output, error) {
	fail := func(problem, hint string) (Output, error) {
		return Output{}, &UsageError{Flag: "--output", Value: value, Problem: problem, Hint: hint}
	}
	o, problem := parseOutput(value)
	if problem != "" {
		return fail(problem, "the form is type=local,dest=DIR")
	}
	kind, ok := findOutputType(o.Type)
	if !ok {
		return fail(fmt.Sprintf("unknown type %q", o.Type), "the type that works is local: type=local,dest=DIR")
	}
	if kind.check == nil {
		return fail(fmt.Sprintf("type=%s is not supported", o.Type), "the type that works is local: type=local,dest=DIR")
	}
	if problem, hint := kind.check(o); problem != "" {
		return fail(problem, hint)
	}
	return o, nil
}

func parseOutput(value string) (o Output, problem string) {
	o.Attrs = map[string]string{}
	if value == "" {
		return o, "is empty"
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return o, fmt.Sprintf("is not valid CSV: %s", err)
	}
	// As buildx has it: a single field that neither starts with type= nor was
	// quoted is a directory, even if it holds an equals sign.
	if len(fields) == 1 && fields[0] == value && !strings.HasPrefix(value, "type=") {
		o.Type, o.Dest = client.ExporterLocal, value
		if value == "-" {
			o.Type = client.ExporterTar
		}
		return o, ""
	}
	for _, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		if !ok {
			return o, fmt.Sprintf("%q is not key=value", field)
		}
		switch key = strings.ToLower(strings.TrimSpace(key)); key {
		case "":
			return o, fmt.Sprintf("%q has no key", field)
		case "type":
			o.Type = v
		case "dest":
			o.Dest = v
		default:
			o.Attrs[key] = v
		}
	}
	if o.Type == "" {
		return o, "the type is missing"
	}
	return o, ""
}
