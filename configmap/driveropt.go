package configmap

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/google/shlex"
	csvvalue "github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/fault"
)

// DriverOpts are the values of --driver-opt.
type DriverOpts struct {
	// Values is nil when the flag was not given.
	Values map[string]string
	// fragments maps what follows an option that takes a list, in the same flag, to
	// that option: it may be a part of the list that lost its quotes.
	fragments map[string]string
}

// ParseDriverOpts reads values of --driver-opt as docker buildx does: each is
// a line of CSV whose fields are key=value; quotes around a field keep its
// commas together, and of two values for one key the last counts. Quotes around
// a value alone, which buildx refuses or takes for a part of it, do the same, be
// they single or double. The error is a fault.List.
func ParseDriverOpts(values []string) (DriverOpts, error) {
	var all fault.List
	var opts DriverOpts
	for _, value := range values {
		fields, err := optionFields(value)
		if err != nil || len(fields) == 0 {
			all = append(all, &fault.Usage{Flag: "--driver-opt", Value: secretless(value), Problem: "is not a list of key=value with commas between", Hint: quoteHint})
			continue
		}
		list := ""
		for _, f := range fields {
			key, v, ok := strings.Cut(f, "=")
			if !ok || key == "" {
				all = append(all, &fault.Usage{Flag: "--driver-opt", Value: f, Problem: "is not of the form key=value", Hint: quoteHint})
				continue
			}
			if opts.Values == nil {
				opts.Values, opts.fragments = make(map[string]string), make(map[string]string)
			}
			opts.Values[key] = withoutQuotes(v)
			switch {
			case takesList(key):
				list = key
			case list != "":
				opts.fragments[key] = list
			}
		}
	}
	return opts, all.Err()
}

// quotedValue is the beginning of a field with quotes around all of it, or
// around its value, up to the comma or the end that follows the closing quote.
var quotedValue = regexp.MustCompile(`^(?:'([^']*)'|([^"',=]+=)'([^']*)'|([^"',=]+=)"([^"]*)")(?:,|$)`)

// optionFields splits a value of --driver-opt at its commas.
func optionFields(value string) ([]string, error) {
	var fields []string
	for value != "" {
		if match := quotedValue.FindStringSubmatch(value); match != nil {
			fields = append(fields, strings.Join(match[1:], ""))
			value = value[len(match[0]):]
			continue
		}
		end := csvEnd(value)
		field, err := csvvalue.Fields(value[:end], nil)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field...)
		value = strings.TrimPrefix(value[end:], ",")
	}
	return fields, nil
}

// csvEnd is where the first field of a line of CSV ends.
func csvEnd(line string) int {
	quotes := 0 // a doubled quote ends and begins again
	for i, r := range line {
		switch {
		case r == '"' && line[0] == '"':
			quotes++
		case r == ',' && quotes%2 == 0:
			return i
		}
	}
	return len(line)
}

// withoutQuotes removes quotes that stand around a whole value.
func withoutQuotes(v string) string {
	for _, quote := range []string{"'", `"`} {
		if len(v) > 1 && strings.HasPrefix(v, quote) && strings.HasSuffix(v, quote) && strings.Count(v, quote) == 2 {
			return v[1 : len(v)-1]
		}
	}
	return v
}

// Secrets are the options that most likely hold one: variables that are named
// like it, or whose value is a URL with a password.
func (o DriverOpts) Secrets() []string {
	var names []string
	for _, key := range keysOf(o.Values) {
		variable, ok := strings.CutPrefix(key, "env.")
		if !ok {
			continue
		}
		address, err := url.Parse(o.Values[key])
		password := false
		if err == nil {
			_, password = address.User.Password()
		}
		if password || secretName.MatchString(variable) {
			names = append(names, key)
		}
	}
	return names
}

var secretName = regexp.MustCompile(`(?i)(token|passw(or)?d|secret|credentials?|_key)$`)

// normalized are the values as buildx and Kubernetes take them, where only the
// documentation of buildx has them otherwise.
func (o DriverOpts) normalized() map[string]string {
	values := maps.Clone(o.Values)
	for key, value := range o.Values {
		known := findOption(kubernetesOptions(), key)
		if known == nil || known.misspelt != key {
			continue
		}
		if _, both := o.Values[known.name]; !both { // else the loader complains
			delete(values, key)
			values[known.name] = value
		}
	}
	if tolerations, ok := values["tolerations"]; ok {
		values["tolerations"] = normalizeTolerations(tolerations)
	}
	return values
}

const quoteHint = `quote an option whose value holds commas, within the quotes of the shell: '--driver-opt="nodeselector=a=b,c=d","env.NO_PROXY=a,b"'`

// takesList says whether commas belong into the values of an option.
func takesList(key string) bool {
	return slices.Contains([]string{"nodeselector", "annotations", "annotation", "labels", "tolerations"}, key)
}

// secretless leaves a value of --driver-opt out of a message if it sets a
// variable, which may be a password.
func secretless(value string) string {
	if strings.Contains(value, "env.") {
		return ""
	}
	return value
}

// ParseDaemonFlags splits the value of --buildkitd-flags as a shell would. It
// is nil when there are none. The error is a *fault.Usage.
func ParseDaemonFlags(value string) ([]string, error) {
	flags, err := shlex.Split(value)
	if err != nil {
		return nil, &fault.Usage{Flag: "--buildkitd-flags", Value: value, Problem: "cannot be split into words: a quote is open", Hint: "quotes come in pairs, as in a shell"}
	}
	return flags, nil
}

const entitlementFlag = "--allow-insecure-entitlement"

// withEntitlement adds what docker buildx adds: builds may ask for the network
// of their pod, which is not the cluster node's, unless flags or buildkitd.toml
// say which entitlements there are.
func withEntitlement(flags []string, config *DaemonConfig) []string {
	given := slices.ContainsFunc(flags, func(f string) bool { return f == entitlementFlag || strings.HasPrefix(f, entitlementFlag+"=") })
	if given || config != nil && slices.Contains(config.Entitlements, "network.host") {
		return flags
	}
	return append(slices.Clone(flags), entitlementFlag+"=network.host")
}
