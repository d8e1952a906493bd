package solve

import (
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/agent/solve/attr"
	"github.com/slipway-build/slipway/internal/fault"
)

// Attest is a parsed --attest, --provenance or --sbom.
type Attest struct {
	// Type is "provenance" or "sbom".
	Type string
	// Disabled switches the attestation off.
	Disabled bool
	// Attrs are its parameters.
	Attrs map[string]string
}

// The types of attestations, see BuildKit's frontend/attestations. It refuses
// any other.
const (
	attestProvenance = "provenance"
	attestSBOM       = "sbom"
)

// provenanceParameter is one row of the table of provenance's parameters.
type provenanceParameter struct {
	name string
	// check returns what is wrong with a value, "" for nothing.
	check func(value string) string
}

// provenanceParameters is every parameter that BuildKit reads. It ignores
// others; here they are an error. (sbom has no such table: all but generator
// goes to the scanner as it is.)
func provenanceParameters() []provenanceParameter {
	return []provenanceParameter{
		{"mode", attr.OneOf("min", "max", "full")}, // full is the old word for max
		{"version", attr.OneOf("v0.2", "v1")},
		{"inline-only", attr.Boolean},
		{"builder-id", attr.Anything},
		{"reproducible", attr.Boolean},
		{"filename", attr.NotEmpty},
		{"capture-usage", attr.Boolean},
		{"complete-materials", attr.Boolean},
	}
}

// ParseAttest parses --attest: type=TYPE[,disabled=BOOL][,KEY=VALUE…] as CSV.
// The error is a *fault.Usage.
func ParseAttest(value string) (Attest, error) {
	return parseAttest("--attest", value, value, "")
}

// ParseProvenance parses --provenance: true, false or the parameters of
// --attest type=provenance. The error is a *fault.Usage.
func ParseProvenance(value string) (Attest, error) {
	return parseShortAttest("--provenance", attestProvenance, value)
}

// ParseSBOM parses --sbom: true, false or the parameters of --attest
// type=sbom. The error is a *fault.Usage.
func ParseSBOM(value string) (Attest, error) {
	return parseShortAttest("--sbom", attestSBOM, value)
}

func parseShortAttest(flag, kind, value string) (Attest, error) {
	if value == "" {
		return Attest{}, &fault.Usage{Flag: flag, Problem: "is empty", Hint: "give true, false or parameters"}
	}
	if on, err := strconv.ParseBool(value); err == nil {
		return Attest{Type: kind, Disabled: !on, Attrs: map[string]string{}}, nil
	}
	return parseAttest(flag, value, value, kind)
}

// parseAttest parses fields. A kind that the flag implies is not among them.
func parseAttest(flag, given, value, kind string) (Attest, error) {
	fail := func(problem, hint string) (Attest, error) {
		return Attest{}, &fault.Usage{Flag: flag, Value: given, Problem: problem, Hint: hint}
	}
	form := "the form is type=provenance|sbom[,KEY=VALUE…]"
	if kind != "" {
		form = "give true, false or KEY=VALUE[,KEY=VALUE…]"
	}
	if value == "" {
		return fail("is empty", form)
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return fail(fmt.Sprintf("is not valid CSV: %s", err), form)
	}
	a := Attest{Type: kind, Attrs: map[string]string{}}
	for _, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return fail(fmt.Sprintf("%q is not key=value", field), form)
		}
		switch strings.ToLower(key) {
		case "type":
			if kind != "" && v != kind {
				return fail(fmt.Sprintf("the type is %s and cannot be %q", kind, v), "use --attest for other types")
			}
			a.Type = v
		case "disabled":
			off, err := strconv.ParseBool(v)
			if err != nil {
				return fail(fmt.Sprintf("disabled=%q is neither true nor false", v), "")
			}
			a.Disabled = off
		default:
			a.Attrs[key] = v
		}
	}
	if problem, hint := a.check(); problem != "" {
		return fail(problem, hint)
	}
	return a, nil
}

// check finds what BuildKit would refuse or pass over.
func (a Attest) check() (problem, hint string) {
	switch a.Type {
	case "":
		return "the type is missing", "there are type=provenance and type=sbom"
	case attestProvenance:
		return a.checkProvenance()
	case attestSBOM:
		generator, ok := a.Attrs["generator"]
		if !ok {
			return "", ""
		}
		if _, err := reference.ParseNormalizedNamed(generator); err != nil {
			return fmt.Sprintf("generator=%q is not an image: %s", generator, err), ""
		}
		return "", ""
	default:
		return fmt.Sprintf("unknown type %q", a.Type), "there are type=provenance and type=sbom"
	}
}

func (a Attest) checkProvenance() (problem, hint string) {
	known := provenanceParameters()
	for _, key := range slices.Sorted(maps.Keys(a.Attrs)) {
		i := slices.IndexFunc(known, func(p provenanceParameter) bool { return p.name == key })
		if i < 0 {
			names := make([]string, len(known))
			for j, p := range known {
				names[j] = p.name
			}
			return fmt.Sprintf("provenance has no parameter %q", key), "it has " + strings.Join(names, ", ")
		}
		if wrong := known[i].check(a.Attrs[key]); wrong != "" {
			return fmt.Sprintf("%s=%q %s", key, a.Attrs[key], wrong), ""
		}
	}
	return "", ""
}

// value is the attestation as the frontend takes it: the CSV that buildx
// sends, parameters in order.
func (a Attest) value() string {
	fields := []string{"type=" + a.Type}
	for _, key := range slices.Sorted(maps.Keys(a.Attrs)) {
		fields = append(fields, key+"="+a.Attrs[key])
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	// A strings.Builder takes every write.
	_ = w.Write(fields)
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// attests are the attestations that count: as with buildx, the first of each
// type. Prepare warns of the others.
func attests(r Request) []Attest {
	var list []Attest
	for _, a := range r.Attests {
		if !slices.ContainsFunc(list, func(b Attest) bool { return a.Type == b.Type }) {
			list = append(list, a)
		}
	}
	return list
}

// setAttests asks for attestations. Unless the user spoke of provenance, it is
// what buildx asks for by itself: the daemon keeps it in its history and
// inside images; being inline-only, it writes no file into a local output.
func setAttests(attrs map[string]string, r Request, noDefault bool) {
	list := attests(r)
	for _, a := range list {
		if !a.Disabled {
			attrs["attest:"+a.Type] = a.value()
		}
	}
	spoken := slices.ContainsFunc(list, func(a Attest) bool { return a.Type == attestProvenance })
	// BuildKit reads this argument like the attribute, and of both it takes
	// either.
	_, byArg := r.BuildArgs[argAttestProvenance]
	if !spoken && !byArg && !noDefault {
		attrs["attest:"+attestProvenance] = "mode=min,inline-only=true"
	}
}

// uncounted warns of attestations that do not count.
func uncounted(r Request) (warnings []string) {
	seen := map[string]Attest{}
	for _, a := range r.Attests {
		first, ok := seen[a.Type]
		if !ok {
			seen[a.Type] = a
			continue
		}
		if first.Disabled != a.Disabled || !maps.Equal(first.Attrs, a.Attrs) {
			warnings = append(warnings, fmt.Sprintf("the attestation %s is asked for twice and differently, the first counts (--attest before --provenance and --sbom, as with buildx)", a.Type))
		}
	}
	return warnings
}
