package tagrule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// Request is what tags, labels and annotations are made of.
type Request struct {
	// Rules in any order; see DefaultRules.
	Rules  []Rule
	Flavor Flavor
	// Images are the names that get the tags.
	Images []string
	// Labels and Annotations are added to the usual ones, and replace them.
	Labels, Annotations []Extra
	// Levels are those of annotations, as of --annotation; none stands for manifest.
	Levels []string
}

// Pair is a label or an annotation.
type Pair struct{ Name, Value string }

// Result is what a pipeline gets.
type Result struct {
	// Version is the tag of the rule with the highest priority; empty where no rule
	// has made one.
	Version string
	// Tags are references, all tags of an image after each other. Without an image
	// they are the tags alone.
	Tags []string
	// TagNames are the tags alone, the version first. Each is a valid one of
	// https://github.com/opencontainers/distribution-spec and stands once.
	TagNames []string
	// Labels are sorted by name.
	Labels []Pair
	// Annotations are LEVEL:NAME=VALUE.
	Annotations []string
	// Warnings say why rules that were meant to make a tag make none, and which
	// values have come to the same tag. They hold text from outside.
	Warnings []string
	// Notes say which tags do not show the whole value that they are made of.
	Notes []string
}

// Make makes what a pipeline gets. An error is a fault.Usage: an attribute whose
// value only the pipeline decides is none that it may have.
func (r Request) Make(c Context) (Result, error) {
	c.Clean()
	m := maker{Request: r, context: c, values: c.values(), of: map[string]made{}}
	rules := slices.Clone(r.Rules)
	slices.SortStableFunc(rules, func(a, b Rule) int { return cmp.Compare(b.priority, a.priority) })
	var latest *bool
	for _, rule := range rules {
		enabled := rule.enable.render(m.values)
		if enabled != "true" && enabled != "false" {
			return Result{}, &fault.Usage{Flag: "tag rule", Value: rule.Text, Problem: fmt.Sprintf("enable is %q, neither true nor false", enabled)}
		}
		if enabled != "true" {
			continue
		}
		value, isLatest, applies := m.apply(rule)
		if !applies {
			continue
		}
		if m.add(m.flavored(rule, value), rule) && latest == nil {
			isLatest = r.Flavor.latest == "true" || r.Flavor.latest != "false" && isLatest
			latest = &isLatest
		}
	}
	if latest != nil && *latest {
		m.addLatest()
	}
	result := Result{TagNames: m.names, Warnings: m.warnings, Notes: m.notes}
	if len(m.names) > 0 {
		result.Version = m.names[0]
	}
	for _, image := range r.Images {
		for _, name := range m.names {
			result.Tags = append(result.Tags, image+":"+name)
		}
	}
	if len(r.Images) == 0 {
		result.Tags = slices.Clone(m.names)
	}
	result.Labels = m.pairs(result.Version, r.Labels)
	levels := r.Levels
	if len(levels) == 0 {
		levels = []string{"manifest"}
	}
	for _, level := range levels {
		for _, pair := range m.pairs(result.Version, r.Annotations) {
			result.Annotations = append(result.Annotations, level+":"+pair.Name+"="+pair.Value)
		}
	}
	return result, nil
}

// maker collects the tags of one request.
type maker struct {
	Request
	context Context
	values  values

	names []string
	// of is what each tag is made of.
	of              map[string]made
	warnings, notes []string
}

type made struct{ value, rule string }

func (m *maker) warn(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(m.warnings, line) {
		m.warnings = append(m.warnings, line)
	}
}

// apply is the value of a rule, whether it makes the image the latest one if the
// flavor leaves that to the rule, and whether the rule applies at all.
func (m *maker) apply(r Rule) (value string, latest, applies bool) {
	c := m.context
	switch r.kind {
	case "schedule":
		return r.pattern.render(m.values), false, strings.Contains(c.Event, EventSchedule)
	case "semver":
		return m.version(r, parseSemver, "a semantic version (https://semver.org)")
	case "pep440":
		return m.version(r, parsePEP440, "a version of a Python package (https://peps.python.org/pep-0440)")
	case "match":
		return m.match(r)
	case "edge":
		return "edge", false, c.Branch() != "" && c.Branch() == cmp.Or(r.given["branch"], c.DefaultBranch)
	case "ref":
		value := map[string]string{"branch": c.Branch(), "tag": c.Tag(), "pr": c.PullRequest()}[r.given["event"]]
		return value, r.given["event"] == "tag", value != ""
	case "raw":
		return r.value.render(m.values), false, true
	case "sha":
		value := c.SHA
		if r.given["format"] == "short" {
			value = c.shortSHA()
		}
		return value, false, value != ""
	}
	return "", false, false
}

// source is what a version is found in: the attribute value, else the tag.
func (m *maker) source(r Rule) string {
	if len(r.value) > 0 {
		return r.value.render(m.values)
	}
	return m.context.Tag()
}

func (m *maker) version(r Rule, parse func(string) (version, bool), what string) (value string, latest, applies bool) {
	text := m.source(r)
	if text == "" {
		return "", false, false
	}
	if r.match != nil {
		found := r.match.FindStringSubmatch(text)
		if found == nil {
			m.warn("match=%s does not match %s", r.match, text)
		} else {
			text = found[1]
		}
	}
	text = strings.ReplaceAll(text, "/", "-")
	v, ok := parse(text)
	if !ok {
		m.warn("%s is not %s", text, what)
		return "", false, false
	}
	switch {
	case !v.unfinished:
		return r.pattern.render(values{texts: v.texts}), true, true
	case r.pattern.only("raw"):
		return v.texts["raw"], false, true
	case r.kind == "pep440":
		return v.texts["version"], false, true
	}
	return html.Replace(v.texts["version"]), false, true
}

func (m *maker) match(r Rule) (value string, latest, applies bool) {
	text := m.source(r)
	if text == "" {
		return "", false, false
	}
	var found []string
	if r.all {
		found = r.match.FindAllString(text, -1)
	} else if at := r.match.FindStringSubmatchIndex(text); at != nil {
		for i := range len(at) / 2 {
			if at[2*i] < 0 { // a group that takes no part
				found = append(found, "")
			} else {
				found = append(found, text[at[2*i]:at[2*i+1]])
			}
		}
		if at[2*r.group] < 0 {
			found = found[:r.group]
		}
	}
	switch {
	case found == nil:
		m.warn("pattern=%s does not match %s", r.given["pattern"], text)
		return "", false, false
	case r.group >= len(found):
		m.warn("pattern=%s has no group %d in %s", r.given["pattern"], r.group, text)
		return "", false, false
	}
	return found[r.group], true, true
}

// flavored adds prefix and suffix to a value: those of the rule, else those of the
// flavor.
func (m *maker) flavored(r Rule, value string) string {
	prefix, suffix := r.prefix, r.suffix
	if prefix == nil {
		prefix = m.Flavor.prefix
	}
	if suffix == nil {
		suffix = m.Flavor.suffix
	}
	return prefix.render(m.values) + value + suffix.render(m.values)
}

// add adds the tag of a value, false when nothing is left of it.
func (m *maker) add(value string, r Rule) bool {
	if value == "" {
		return false
	}
	tag, whole := sanitizeTag(value)
	if tag == "" {
		m.warn("%s makes %q, which is no tag", r.Text, value)
		return false
	}
	before, known := m.of[tag]
	switch {
	case !known:
		m.of[tag] = made{value, r.Text}
		m.names = append(m.names, tag)
		if !whole {
			m.notes = append(m.notes, fmt.Sprintf("the tag %s stands for %q: a name that differs only in characters that tags cannot have gets the same", tag, value))
		}
	case before.value != value:
		m.warn("%q of %s and %q of %s come to the same tag %s", before.value, before.rule, value, r.Text, tag)
	}
	return true
}

func (m *maker) addLatest() {
	value := "latest"
	if m.Flavor.prefixLatest {
		value = m.Flavor.prefix.render(m.values) + value
	}
	if m.Flavor.suffixLatest {
		value += m.Flavor.suffix.render(m.values)
	}
	if tag, _ := sanitizeTag(value); tag != "" && !slices.Contains(m.names, tag) {
		m.names = append(m.names, tag)
	}
}

const (
	// maxTag is how many characters a tag can have.
	maxTag = 128
	// hashDigits are those of the hash in a tag that does not show its value whole.
	hashDigits = 8
)

var notInTags = regexp.MustCompile(`[^a-zA-Z0-9._-]+`)

// sanitizeTag makes a valid tag of a value, as the action does: what a tag cannot
// have becomes a dash. What the action leaves invalid is mended: a tag does not begin
// with a period or a dash, and one that is too long ends with a hash of the value, so
// that long names which differ at their ends get different tags. So does one of
// which nothing else would be left. whole is that the tag shows all of the value.
func sanitizeTag(value string) (tag string, whole bool) {
	clean := notInTags.ReplaceAllString(value, "-")
	tag = strings.TrimLeft(clean, ".-")
	sum := sha256.Sum256([]byte(value))
	hash := hex.EncodeToString(sum[:])[:hashDigits]
	switch {
	case tag == "" && clean != value:
		return "ref-" + hash, true
	case len(tag) > maxTag:
		return tag[:maxTag-hashDigits-1] + "-" + hash, true
	}
	return tag, tag == value
}

// pairs are the usual labels of https://github.com/opencontainers/image-spec with
// those of the user.
func (m *maker) pairs(version string, extras []Extra) []Pair {
	c := m.context
	created := c.Created
	if created.IsZero() {
		created = c.Now
	}
	found := map[string]string{}
	for name, value := range map[string]string{
		"title": c.Title, "description": c.Description, "url": c.URL, "source": c.URL, "version": version,
		"created": created.UTC().Format("2006-01-02T15:04:05.000Z"), "revision": c.SHA, "licenses": c.Licenses,
	} {
		if value != "" { // an empty one would hide that of the base image
			found["org.opencontainers.image."+name] = value
		}
	}
	for _, extra := range extras {
		name, value, _ := strings.Cut(template(extra).render(m.values), "=")
		found[name] = value
	}
	all := make([]Pair, 0, len(found))
	for name, value := range found {
		all = append(all, Pair{name, value})
	}
	slices.SortFunc(all, func(a, b Pair) int { return collate(a.Name, b.Name) })
	return all
}

// collation is the order of characters in names: that of the Unicode Collation
// Algorithm, by which the action sorts.
const collation = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"

// collate compares two names without case first.
func collate(a, b string) int {
	weight := func(s string) []int {
		var all []int
		for _, r := range strings.ToLower(s) {
			at := strings.IndexRune(collation, r)
			if at < 0 {
				at = len(collation) + int(r)
			}
			all = append(all, at)
		}
		return all
	}
	return cmp.Or(slices.Compare(weight(a), weight(b)), cmp.Compare(b, a)) // lower case first
}
