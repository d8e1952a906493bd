package tagrule

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/suggest"
)

// Rule says how a tag is made, and when.
type Rule struct {
	// Text is the rule as it was given.
	Text string

	kind     string
	given    map[string]string
	priority float64
	// enable, prefix, suffix, value and pattern are the attributes with expressions;
	// nil where an attribute is not given.
	enable, prefix, suffix, value, pattern template
	// match is the regular expression of match, and the pattern of type=match. all is
	// that it finds all places, and group which of them, or which group.
	match *regexp.Regexp
	all   bool
	group int
}

// kind is a type of rules.
type kind struct {
	name     string
	priority float64
	// attributes are those of the type besides the common ones.
	attributes []string
	// needs is the attribute that has to be there.
	needs string
}

// kinds are the types, in the order of their priorities.
var kinds = []kind{
	{"schedule", 1000, []string{"pattern"}, ""},
	{"semver", 900, []string{"pattern", "value", "match"}, "pattern"},
	{"pep440", 900, []string{"pattern", "value", "match"}, "pattern"},
	{"match", 800, []string{"pattern", "group", "value"}, "pattern"},
	{"edge", 700, []string{"branch"}, ""},
	{"ref", 600, []string{"event"}, "event"},
	{"raw", 200, []string{"value"}, "value"},
	{"sha", 100, []string{"format"}, ""},
}

// common are the attributes of all types.
var common = []string{"type", "enable", "priority", "prefix", "suffix"}

// DefaultRules are the rules where none is given.
func DefaultRules() []Rule {
	rules, err := ParseRules("", []string{"type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"})
	if err != nil {
		panic(err) // they are constants
	}
	return rules
}

// ParseRules parses the values of a flag, which hold one rule a line, such as
// "type=semver,pattern={{version}}". Empty lines and those that begin with # are no
// rules. All mistakes are reported, each as a fault.Usage with the rule and its
// number.
func ParseRules(flag string, values []string) ([]Rule, error) {
	return parseLines(flag, values, parseRule)
}

// mistake is what is wrong with a line, and what to do.
type mistake struct{ problem, hint string }

func (m *mistake) Error() string { return m.problem }

// parseLines parses the lines of a flag's values.
func parseLines[T any](flag string, values []string, parse func(string) (T, error)) ([]T, error) {
	var all fault.List
	var parsed []T
	number := 0
	for _, value := range values {
		for line := range strings.Lines(value) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			number++
			one, err := parse(line)
			if err == nil {
				parsed = append(parsed, one)
				continue
			}
			wrong := &fault.Usage{Flag: fmt.Sprintf("%s, entry %d", flag, number), Value: line, Problem: err.Error()}
			if m := (*mistake)(nil); errors.As(err, &m) {
				wrong.Hint = m.hint
			}
			if unknown := (*unknownName)(nil); errors.As(err, &unknown) {
				wrong.Hint = unknown.hint()
			}
			all = append(all, wrong)
		}
	}
	return parsed, all.Err()
}

// attribute is NAME=VALUE, or VALUE alone where the name is empty.
type attribute struct{ name, value string }

// attributes splits a line as CSV.
func attributes(line string) ([]attribute, error) {
	fields, err := csvvalue.Fields(line, nil)
	if err != nil {
		return nil, &mistake{err.Error(), "a value with a comma is quoted with its name: \"value=a,b\""}
	}
	all := make([]attribute, 0, len(fields))
	for _, field := range fields {
		name, value, found := strings.Cut(field, "=")
		if !found || name == "" {
			name, value = "", field
		}
		all = append(all, attribute{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
	}
	return all, nil
}

func parseRule(line string) (Rule, error) {
	r := Rule{Text: line, kind: "raw", given: map[string]string{}}
	list, err := attributes(line)
	if err != nil {
		return r, err
	}
	for _, a := range list {
		name := cmp.Or(a.name, "value")
		if name == "type" {
			r.kind = a.value
		}
		r.given[name] = a.value
	}
	of := slices.IndexFunc(kinds, func(k kind) bool { return k.name == r.kind })
	if of < 0 {
		known := make([]string, 0, len(kinds))
		for _, k := range kinds {
			known = append(known, k.name)
		}
		return r, unknownWord("type", r.kind, known)
	}
	k := kinds[of]
	for _, a := range list {
		if name := cmp.Or(a.name, "value"); !slices.Contains(common, name) && !slices.Contains(k.attributes, name) {
			return r, noAttribute(k, a)
		}
	}
	if _, ok := r.given[k.needs]; k.needs != "" && !ok {
		return r, &mistake{fmt.Sprintf("type=%s needs the attribute %s", k.name, k.needs), example[k.name]}
	}
	return r, r.complete(k)
}

// example is a rule of each type that needs an attribute.
var example = map[string]string{
	"semver": "such as type=semver,pattern={{version}}",
	"pep440": "such as type=pep440,pattern={{version}}",
	"match":  "such as type=match,pattern=v(.*),group=1",
	"ref":    "type=ref,event=branch, event=tag or event=pr",
	"raw":    "such as type=raw,value=stable",
}

func noAttribute(k kind, a attribute) error {
	if a.name == "" {
		return &mistake{fmt.Sprintf("%q has no name, and type=%s has no value", a.value, k.name), ""}
	}
	known := slices.Concat(common, k.attributes)
	m := &mistake{fmt.Sprintf("type=%s has no attribute %q", k.name, a.name), "it has " + strings.Join(known, ", ")}
	if near := suggest.Nearest(a.name, known); near != "" {
		m.hint = "did you mean " + near + "?"
	}
	return m
}

func unknownWord(name, value string, known []string) error {
	m := &mistake{fmt.Sprintf("%s=%s is not one of %s", name, value, strings.Join(known, ", ")), ""}
	if near := suggest.Nearest(value, known); near != "" {
		m.hint = "did you mean " + name + "=" + near + "?"
	}
	return m
}

// complete checks the attributes of a rule and fills in what is not given.
func (r *Rule) complete(k kind) (err error) {
	defaults := map[string]string{"enable": "true"}
	patternNames := names{}
	switch k.name {
	case "schedule":
		defaults["pattern"], patternNames = "nightly", scheduleNames
	case "semver":
		patternNames = semverNames
	case "pep440":
		patternNames = pep440Names
	case "ref":
		if event := r.given["event"]; !slices.Contains([]string{"branch", "tag", "pr"}, event) {
			return unknownWord("event", event, []string{"branch", "tag", "pr"})
		}
		if r.given["event"] == "pr" {
			defaults["prefix"] = "pr-"
		}
	case "sha":
		defaults["prefix"], defaults["format"] = "sha-", "short"
	}
	for name, value := range defaults {
		if _, ok := r.given[name]; !ok {
			r.given[name] = value
		}
	}
	if format := r.given["format"]; k.name == "sha" && format != "short" && format != "long" {
		return unknownWord("format", format, []string{"short", "long"})
	}
	for _, of := range []struct {
		name  string
		into  *template
		known names
	}{
		{"enable", &r.enable, globalNames},
		{"prefix", &r.prefix, globalNames},
		{"suffix", &r.suffix, globalNames},
		{"value", &r.value, globalNames},
		{"pattern", &r.pattern, patternNames},
	} {
		text, ok := r.given[of.name]
		if !ok || of.name == "pattern" && k.name == "match" {
			continue
		}
		if *of.into, err = parseTemplate(text, of.known); err != nil {
			return fmt.Errorf("%s: %w", of.name, err)
		}
		if *of.into == nil {
			*of.into = template{} // it is given, and empty
		}
	}
	if len(r.enable) == 0 || len(r.enable) == 1 && r.enable[0].name == "" && r.enable[0].text != "true" && r.enable[0].text != "false" {
		return &mistake{fmt.Sprintf("enable=%s is neither true nor false", r.given["enable"]), ""}
	}
	return r.numbers(k)
}

// numbers parses priority, and what finds a part of a text.
func (r *Rule) numbers(k kind) (err error) {
	r.priority = k.priority
	if text, ok := r.given["priority"]; ok {
		if r.priority, err = strconv.ParseFloat(cmp.Or(text, "0"), 64); err != nil || r.priority != r.priority {
			return &mistake{fmt.Sprintf("priority=%s is not a number", text), ""}
		}
	}
	pattern := r.given["match"]
	if k.name == "match" {
		if r.group, err = strconv.Atoi(cmp.Or(r.given["group"], "0")); err != nil || r.group < 0 {
			return &mistake{fmt.Sprintf("group=%s is not the number of a group", r.given["group"]), ""}
		}
		pattern = r.given["pattern"]
		if found := withFlags.FindStringSubmatch(pattern); found != nil {
			if pattern, r.all, err = withoutFlags(found[1], found[2]); err != nil {
				return err
			}
		}
	}
	if pattern == "" && k.name != "match" {
		return nil
	}
	if r.match, err = regexp.Compile(pattern); err != nil {
		return &mistake{err.Error(), "the syntax is that of https://github.com/google/re2/wiki/Syntax: without (?=, (?!, (?<= and \\1"}
	}
	if k.name != "match" && r.match.NumSubexp() == 0 {
		return &mistake{fmt.Sprintf("match=%s has no group for the version", r.given["match"]), "put parentheses around it, such as match=v(.*)"}
	}
	if k.name == "match" && !r.all && r.group > r.match.NumSubexp() {
		return &mistake{fmt.Sprintf("group=%d does not exist: the pattern has %d", r.group, r.match.NumSubexp()), ""}
	}
	return nil
}

// withFlags is a regular expression as JavaScript writes them.
var withFlags = regexp.MustCompile(`^/(.+)/(.*)$`)

// withoutFlags puts the flags of a regular expression into it; all is that it finds
// all places.
func withoutFlags(pattern, flags string) (string, bool, error) {
	all := false
	inline := ""
	for _, flag := range flags {
		switch flag {
		case 'i', 'm', 's':
			inline += string(flag)
		case 'g':
			all = true
		case 'u': // all texts are Unicode
		default:
			return "", false, &mistake{fmt.Sprintf("the flag %q of the pattern is not supported", flag), "there are i, m, s, g and u"}
		}
	}
	if inline != "" {
		pattern = "(?" + inline + ")" + pattern
	}
	return pattern, all, nil
}

// Flavor is what all tags have in common.
type Flavor struct {
	// latest is auto, true or false.
	latest                     string
	prefix, suffix             template
	prefixLatest, suffixLatest bool
}

// ParseFlavor parses the values of a flag: latest=auto|true|false, prefix=TEXT and
// suffix=TEXT, each of the latter with onlatest=true after it or not. It reports
// mistakes as ParseRules does.
func ParseFlavor(flag string, values []string) (Flavor, error) {
	flavor := Flavor{latest: "auto"}
	_, err := parseLines(flag, values, func(line string) (struct{}, error) { return struct{}{}, flavor.add(line) })
	return flavor, err
}

func (f *Flavor) add(line string) error {
	list, err := attributes(line)
	if err != nil {
		return err
	}
	onLatest := new(bool) // onlatest before prefix and suffix means nothing
	for _, a := range list {
		known := []string{"latest", "prefix", "suffix", "onlatest"}
		into := &f.prefix
		switch a.name {
		case "latest":
			if !slices.Contains([]string{"auto", "true", "false"}, a.value) {
				return unknownWord("latest", a.value, []string{"auto", "true", "false"})
			}
			f.latest = a.value
			continue
		case "onlatest":
			if a.value != "true" && a.value != "false" {
				return &mistake{fmt.Sprintf("onlatest=%s is neither true nor false", a.value), ""}
			}
			*onLatest = a.value == "true"
			continue
		case "prefix":
			onLatest = &f.prefixLatest
		case "suffix":
			onLatest, into = &f.suffixLatest, &f.suffix
		case "":
			return &mistake{fmt.Sprintf("%q is not NAME=VALUE", a.value), "names are " + strings.Join(known, ", ")}
		default:
			return unknownWord("name", a.name, known)
		}
		if *into, err = parseTemplate(a.value, globalNames); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// ParseImages parses the values of a flag: names of images without tag, or
// name=NAME,enable=true|false; a line without attributes may have several names.
// Names become lower case. What is disabled is left out. It reports mistakes as
// ParseRules does.
func ParseImages(flag string, values []string) ([]string, error) {
	lists, err := parseLines(flag, values, parseImages)
	return slices.Concat(lists...), err
}

func parseImages(line string) ([]string, error) {
	list, err := attributes(line)
	if err != nil {
		return nil, err
	}
	plain := !slices.ContainsFunc(list, func(a attribute) bool { return a.name != "" })
	var found []string
	enabled := true
	for _, a := range list {
		switch a.name {
		case "", "name":
			name := strings.ToLower(a.value)
			if err := checkImage(name); err != nil {
				return nil, err
			}
			if !plain {
				found = nil // the last one counts
			}
			found = append(found, name)
		case "enable":
			if a.value != "true" && a.value != "false" {
				return nil, &mistake{fmt.Sprintf("enable=%s is neither true nor false", a.value), ""}
			}
			enabled = a.value == "true"
		default:
			return nil, unknownWord("name", a.name, []string{"name", "enable"})
		}
	}
	if len(found) == 0 {
		return nil, &mistake{"it names no image", "such as name=registry.example/team/app"}
	}
	if !enabled {
		return nil, nil
	}
	return found, nil
}

// checkImage checks the name of an image, to which tags are added.
func checkImage(name string) error {
	if name == "" {
		return &mistake{"it names no image", "such as registry.example/team/app"}
	}
	parsed, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return &mistake{err.Error(), "a name is as registry.example/team/app"}
	}
	if !reference.IsNameOnly(parsed) {
		return &mistake{fmt.Sprintf("%q has a tag or a digest", name), "the rules make the tags: leave it out"}
	}
	return nil
}

// Extra is a label or an annotation of the user's, with expressions.
type Extra template

// ParseExtras parses the values of a flag: NAME=VALUE, one a line, where the value
// may have expressions. It reports mistakes as ParseRules does.
func ParseExtras(flag string, values []string) ([]Extra, error) {
	return parseLines(flag, values, func(line string) (Extra, error) {
		// The action reads its list as CSV and joins the fields again.
		if fields, err := (&csvvalue.Parser{Comma: ',', LazyQuotes: true}).Fields(line, nil); err == nil {
			line = strings.Join(fields, ",")
		}
		t, err := parseTemplate(line, globalNames)
		if err == nil && (len(t) == 0 || t[0].name != "" || strings.Index(t[0].text, "=") < 1) {
			err = &mistake{"it is not NAME=VALUE", ""}
		}
		return Extra(t), err
	})
}
