package output

import (
	"fmt"
	"maps"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/fault"
)

// The exporters that exist on the agent only.
const (
	exporterRegistry  = "registry"  // image with push=true
	exporterCacheOnly = "cacheonly" // none at all
)

// Output is a parsed --output: one exporter.
type Output struct {
	// Type is the exporter's name as docker buildx has it.
	Type string
	// Dest is where the result goes on the agent; empty for exporters that
	// write nothing there, and for the default of those that do.
	Dest string
	// Attrs are the exporter's other attributes, keys in lower case.
	Attrs map[string]string
}

// String is the output as --output has it, without its attributes.
func (o Output) String() string {
	if o.Dest == "" {
		return "type=" + o.Type
	}
	return "type=" + o.Type + ",dest=" + o.Dest
}

// MakesImage reports whether the result is an image, which has an ID.
func (o Output) MakesImage() bool {
	kind, _ := findOutputType(o.Type)
	return kind.image
}

// mistake is a fault.Usage about the output.
func (o Output) mistake(problem, hint string) *fault.Usage {
	return &fault.Usage{Flag: "--output", Value: o.String(), Problem: problem, Hint: hint}
}

// Parse parses --output: type=TYPE[,dest=PATH][,KEY=VALUE…] as CSV,
// DIR for type=local,dest=DIR, or - for type=tar,dest=-. The error is a
// *fault.Usage.
func Parse(value string) (Output, error) {
	fail := func(problem, hint string) (Output, error) {
		return Output{}, &fault.Usage{Flag: "--output", Value: value, Problem: problem, Hint: hint}
	}
	o, problem := parseOutput(value)
	if problem != "" {
		return fail(problem, "the form is type=TYPE,dest=PATH, for example type=local,dest=out")
	}
	kind, ok := findOutputType(o.Type)
	if !ok {
		return fail(fmt.Sprintf("unknown type %q", o.Type), "there are "+outputTypeNames())
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
		if value == stdoutDest {
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

// ApplyPush is --push: every image output is pushed, and there is one if none
// was given. The given outputs are not changed.
func ApplyPush(outputs []Output) []Output {
	out := make([]Output, 0, len(outputs)+1)
	pushes := false
	for _, o := range outputs {
		if o.Type == client.ExporterImage || o.Type == exporterRegistry {
			o, pushes = pushed(o), true
		}
		out = append(out, o)
	}
	if !pushes {
		out = append(out, pushed(Output{Type: exporterRegistry}))
	}
	return out
}

// pushed is an image output with the attributes of type=registry: what only
// goes to a registry need not be unpacked on the builder.
func pushed(o Output) Output {
	attrs := maps.Clone(o.Attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	attrs[attrPush] = "true"
	if _, ok := attrs[attrUnpack]; !ok {
		attrs[attrUnpack] = "false"
	}
	return Output{Type: client.ExporterImage, Dest: o.Dest, Attrs: attrs}
}

// ApplyLoad is --load, and what driver-opt default-load means for a build
// without outputs: the image goes into a Docker engine. An output that does
// so already is enough. One that writes an archive is not, though docker
// buildx takes it for one and then loads nothing.
func ApplyLoad(outputs []Output) []Output {
	for _, o := range outputs {
		if o.Type == client.ExporterDocker && o.Dest == "" && !isFalse(o.Attrs[attrTar]) {
			return outputs
		}
	}
	out := append([]Output(nil), outputs...)
	return append(out, Output{Type: client.ExporterDocker, Attrs: map[string]string{}})
}
