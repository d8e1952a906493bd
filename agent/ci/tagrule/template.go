package tagrule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/suggest"
)

// template is a text with Handlebars expressions: {{name}}, {{{name}}},
// {{name 'FORMAT' tz='ZONE'}}, comments, {{#if name}} and {{#unless name}}. What
// else Handlebars has is refused. The grammar is that of Handlebars 4.7,
// https://handlebarsjs.com/guide/.
type template []node

// node is a text, or an expression where name is set, or a block where also
// block is.
type node struct {
	text string

	name string
	// raw is an expression whose value is not escaped for HTML.
	raw    bool
	format string // of a date
	dated  bool   // that there is a format
	zone   string

	block       string // "if" or "unless"
	then, else_ template
}

// names are what the expressions of a template may be.
type names struct{ texts, times []string }

var (
	globalNames = names{
		texts: []string{"branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch"},
		times: []string{"date", "commit_date"},
	}
	scheduleNames = names{times: []string{"date", "commit_date"}}
	semverNames   = names{texts: []string{"raw", "version", "major", "minor", "patch", "prerelease", "build"}}
	pep440Names   = names{texts: []string{"raw", "version", "major", "minor", "patch"}}
)

func (n names) all() []string { return slices.Concat(n.texts, n.times) }

// values are those of the names.
type values struct {
	texts map[string]string
	times map[string]time.Time
}

// parseTemplate parses a template that may have the given names.
func parseTemplate(text string, known names) (template, error) {
	p := templateParser{rest: text, known: known}
	t, end, err := p.nodes("")
	if err != nil {
		return nil, err
	}
	if end != "" {
		return nil, fmt.Errorf("{{%s}} without {{#if}} or {{#unless}} before it", end)
	}
	return t, nil
}

type templateParser struct {
	rest  string
	known names
	// trim is that white space after the last expression is dropped.
	trim bool
}

// errOpen is an expression without an end.
var errOpen = errors.New("{{ without }}")

// nodes parses until the end of a block: it returns "else" or "/if" and the like,
// or the empty string at the end of the text.
func (p *templateParser) nodes(block string) (t template, end string, err error) {
	for {
		text, found := p.text()
		if found && strings.HasPrefix(p.rest, "{{~") {
			text = strings.TrimRightFunc(text, isSpace)
		}
		if text != "" {
			t = append(t, node{text: text})
		}
		if !found {
			if block != "" {
				return nil, "", fmt.Errorf("{{#%s}} without {{/%s}}", block, block)
			}
			return t, "", nil
		}
		n, end, err := p.expression()
		if err != nil {
			return nil, "", err
		}
		if end != "" {
			return t, end, nil
		}
		if n.name != "" {
			t = append(t, n)
		}
	}
}

// text takes what is before the next expression, false when there is none.
func (p *templateParser) text() (string, bool) {
	var text strings.Builder
	defer func() { p.trim = false }()
	clean := func(s string) string {
		if p.trim && text.Len() == 0 {
			return strings.TrimLeftFunc(s, isSpace)
		}
		return s
	}
	for {
		at := strings.Index(p.rest, "{{")
		if at < 0 {
			text.WriteString(clean(p.rest))
			p.rest = ""
			return text.String(), false
		}
		before := p.rest[:at]
		if !strings.HasSuffix(before, `\`) || strings.HasSuffix(before, `\\`) {
			before = strings.TrimSuffix(before, `\`) // \\{{ is a backslash before an expression
			text.WriteString(clean(before))
			p.rest = p.rest[at:]
			return text.String(), true
		}
		// \{{ is no expression, up to the next one
		text.WriteString(clean(strings.TrimSuffix(before, `\`)))
		p.rest = p.rest[at:]
		next := strings.Index(p.rest[2:], "{{")
		if next < 0 {
			text.WriteString(p.rest)
			p.rest = ""
			return text.String(), false
		}
		next += 2
		for next > 2 && p.rest[next-1] == '\\' {
			next--
		}
		text.WriteString(p.rest[:next])
		p.rest = p.rest[next:]
	}
}

var (
	identifier = regexp.MustCompile("^(?:[^\\s!\"#%-,./;->@\\[-^`{-~]+|\\[[^\\]]*\\])")
	quoted     = regexp.MustCompile(`^(?:"((?:\\"|[^"])*)"|'((?:\\'|[^'])*)')`)
)

// expression parses what begins with {{.
func (p *templateParser) expression() (n node, end string, err error) {
	whole := p.rest
	p.rest = strings.TrimPrefix(p.rest[2:], "~")
	switch {
	case strings.HasPrefix(p.rest, "!--"):
		return n, "", p.comment("--}}", "--~}}")
	case strings.HasPrefix(p.rest, "!"):
		return n, "", p.comment("}}", "")
	case strings.HasPrefix(p.rest, "#"):
		return p.block()
	case strings.HasPrefix(p.rest, "/"):
		p.rest = p.rest[1:]
		word, err := p.word()
		if err == nil {
			err = p.close("}}")
		}
		return n, "/" + word, err
	case strings.HasPrefix(p.rest, "{{"), strings.HasPrefix(p.rest, ">"), strings.HasPrefix(p.rest, "^"), strings.HasPrefix(p.rest, "*"):
		return n, "", fmt.Errorf("%.10q is not supported", whole)
	}
	closing := "}}"
	if rest, ok := strings.CutPrefix(p.rest, "{"); ok {
		p.rest, n.raw, closing = rest, true, "}}}"
	} else if rest, ok := strings.CutPrefix(p.rest, "&"); ok {
		p.rest, n.raw = rest, true
	}
	if n.name, err = p.word(); err != nil {
		return n, "", err
	}
	if n.name == "else" && !n.raw {
		if p.space(); strings.HasPrefix(p.rest, "if") {
			return node{}, "", errors.New("{{else if}} is not supported: put a block {{#if NAME}} after {{else}}")
		}
		return node{}, "else", p.close(closing)
	}
	if err := p.arguments(&n); err != nil {
		return n, "", err
	}
	if err := p.close(closing); err != nil {
		return n, "", err
	}
	return n, "", p.check(n)
}

func (p *templateParser) comment(ends ...string) error {
	first := -1
	var found string
	for _, end := range ends {
		if end == "" {
			continue
		}
		if at := strings.Index(p.rest, end); at >= 0 && (first < 0 || at < first) {
			first, found = at, end
		}
	}
	if first < 0 {
		return errOpen
	}
	p.trim = strings.HasSuffix(p.rest[:first], "~") || strings.Contains(found, "~")
	p.rest = p.rest[first+len(found):]
	return nil
}

func (p *templateParser) block() (n node, end string, err error) {
	p.rest = p.rest[1:]
	if n.block, err = p.word(); err != nil {
		return n, "", err
	}
	if n.block != "if" && n.block != "unless" {
		return n, "", fmt.Errorf("{{#%s}} is not supported: a block is {{#if NAME}} or {{#unless NAME}}", n.block)
	}
	p.space()
	if n.name, err = p.word(); err != nil {
		return n, "", err
	}
	if err := p.close("}}"); err != nil {
		return n, "", err
	}
	if !slices.Contains(p.known.texts, n.name) {
		return n, "", p.unknown(n.name)
	}
	if n.then, end, err = p.nodes(n.block); err != nil {
		return n, "", err
	}
	if end == "else" {
		if n.else_, end, err = p.nodes(n.block); err != nil {
			return n, "", err
		}
	}
	if end != "/"+n.block {
		return n, "", fmt.Errorf("{{#%s}} ends with {{%s}}", n.block, end)
	}
	return n, "", nil
}

func isSpace(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f\u00a0\ufeff", r) }

func (p *templateParser) space() { p.rest = strings.TrimLeftFunc(p.rest, isSpace) }

// word takes a name, which may be a path.
func (p *templateParser) word() (string, error) {
	p.space()
	p.rest = strings.TrimPrefix(p.rest, "./")
	var parts []string
	for {
		found := identifier.FindString(p.rest)
		if found == "" {
			if p.rest == "" || !strings.Contains(p.rest, "}}") {
				return "", errOpen
			}
			return "", errors.New("{{ without a name")
		}
		p.rest = p.rest[len(found):]
		found = strings.TrimSuffix(strings.TrimPrefix(found, "["), "]")
		if found != "this" || len(parts) > 0 {
			parts = append(parts, found)
		}
		if !strings.HasPrefix(p.rest, ".") && !strings.HasPrefix(p.rest, "/") {
			break
		}
		p.rest = p.rest[1:]
	}
	return strings.Join(parts, "."), nil
}

// arguments takes what follows a name: a format and a time zone.
func (p *templateParser) arguments(n *node) error {
	for {
		p.space()
		if p.rest == "" {
			return errOpen
		}
		if strings.ContainsRune("}~", rune(p.rest[0])) {
			return nil
		}
		if text, ok := p.string(); ok {
			if n.dated {
				return fmt.Errorf("{{%s}} has more than one format", n.name)
			}
			n.format, n.dated = text, true
			continue
		}
		found := identifier.FindString(p.rest)
		if found == "" {
			return fmt.Errorf("{{%s %.10s is not supported: an argument is a text in quotes", n.name, p.rest)
		}
		p.rest = p.rest[len(found):]
		p.space()
		if !strings.HasPrefix(p.rest, "=") {
			return fmt.Errorf("{{%s %s}} is not supported: an argument is a text in quotes", n.name, found)
		}
		p.rest = p.rest[1:]
		p.space()
		text, ok := p.string()
		switch {
		case found != "tz":
			return fmt.Errorf("{{%s}} has no attribute %q: its attribute is tz", n.name, found)
		case !ok:
			return fmt.Errorf("{{%s tz=…}} is no text in quotes", n.name)
		}
		n.zone = text
	}
}

func (p *templateParser) string() (string, bool) {
	found := quoted.FindStringSubmatch(p.rest)
	if found == nil {
		return "", false
	}
	quote := p.rest[:1]
	p.rest = p.rest[len(found[0]):]
	return strings.ReplaceAll(found[1]+found[2], `\`+quote, quote), true
}

// close takes the end of an expression.
func (p *templateParser) close(closing string) error {
	p.space()
	for _, form := range []string{closing, strings.TrimSuffix(closing, "}}") + "~}}"} {
		if rest, ok := strings.CutPrefix(p.rest, form); ok {
			p.rest, p.trim = rest, form != closing
			return nil
		}
	}
	if !strings.Contains(p.rest, "}}") {
		return errOpen
	}
	return fmt.Errorf("%.10q where %s is expected", p.rest, closing)
}

// check tells whether an expression is one that there is.
func (p *templateParser) check(n node) error {
	isTime := slices.Contains(p.known.times, n.name)
	parent, _, _ := strings.Cut(n.name, ".")
	isText := slices.Contains(p.known.texts, n.name)
	if parent == "prerelease" || parent == "build" { // one of its identifiers
		isText = slices.Contains(p.known.texts, parent)
	}
	switch {
	case isTime && !n.dated:
		return fmt.Errorf("{{%s}} needs a format: {{%s 'YYYYMMDD'}}", n.name, n.name)
	case isTime:
		_, err := zone(n.zone)
		return err
	case !isText:
		return p.unknown(n.name)
	case n.dated || n.zone != "":
		return fmt.Errorf("{{%s}} has no arguments", n.name)
	}
	return nil
}

// unknownName is an expression that there is not.
type unknownName struct {
	name  string
	known []string
}

func (e *unknownName) Error() string { return fmt.Sprintf("{{%s}} is unknown here", e.name) }

func (e *unknownName) hint() string {
	if near := suggest.Nearest(e.name, e.known); near != "" {
		return "did you mean {{" + near + "}}?"
	}
	return "there are {{" + strings.Join(e.known, "}}, {{") + "}}"
}

func (p *templateParser) unknown(name string) error {
	return &unknownName{name: name, known: p.known.all()}
}

// html escapes as Handlebars does.
var html = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "`", "&#x60;", "=", "&#x3D;")

// render fills the values in.
func (t template) render(v values) string {
	var out strings.Builder
	for _, n := range t {
		value := v.texts[n.name]
		if at, ok := v.times[n.name]; ok && n.dated {
			value = formatTime(at, n.format, n.zone)
		}
		switch {
		case n.name == "":
			out.WriteString(n.text)
		case n.block != "" && (value != "") == (n.block == "if"):
			out.WriteString(n.then.render(v))
		case n.block != "":
			out.WriteString(n.else_.render(v))
		case n.raw:
			out.WriteString(value)
		default:
			out.WriteString(html.Replace(value))
		}
	}
	return out.String()
}

// only tells whether the template is one expression of that name and nothing else.
func (t template) only(name string) bool {
	return len(t) == 1 && t[0].name == name && t[0].block == ""
}
