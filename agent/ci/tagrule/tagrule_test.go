package tagrule

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

// validTag is the grammar of https://github.com/opencontainers/distribution-spec.
var validTag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func TestSanitizeTag(t *testing.T) {
	long := strings.Repeat("a/", 150)
	for value, want := range map[string]struct {
		tag   string
		whole bool
	}{
		"main":           {"main", true},
		"v1.2.3_x-y":     {"v1.2.3_x-y", true},
		"feature/login":  {"feature-login", false},
		"a//b c":         {"a-b-c", false},
		"-x":             {"x", false},
		"..x":            {"x", false},
		"_x":             {"_x", true},
		"-":              {"", false}, // two empty expressions with a dash between them
		".":              {"", false},
		"日本":             {"ref-f5b8c0ad", true},
		"🎉":              {"ref-6146299c", true},
		"🎈":              {"ref-0d6d7b6b", true},
		long:             {strings.Repeat("a-", 59) + "a-", true},
		long[:299] + "b": {strings.Repeat("a-", 59) + "a-", true},
	} {
		tag, whole := sanitizeTag(value)
		if len(value) > maxTag {
			if !strings.HasPrefix(tag, want.tag[:119]) || !validTag.MatchString(tag) || !whole {
				t.Errorf("%.20q… is %q", value, tag)
			}
			continue
		}
		if strings.HasPrefix(want.tag, "ref-") {
			if !regexp.MustCompile(`^ref-[0-9a-f]{8}$`).MatchString(tag) || !whole {
				t.Errorf("%q is %q", value, tag)
			}
			continue
		}
		if tag != want.tag || whole != want.whole {
			t.Errorf("%q is %q, %v, want %q, %v", value, tag, whole, want.tag, want.whole)
		}
	}
	a, _ := sanitizeTag(long)
	b, _ := sanitizeTag(long + "b")
	c, _ := sanitizeTag("🎉")
	d, _ := sanitizeTag("🎈")
	if a == b || c == d {
		t.Errorf("different names get the same tags %s, %s", a, c)
	}
}

func TestParseRulesReportsAllMistakes(t *testing.T) {
	for rule, want := range map[string]struct{ problem, hint string }{
		"type=semvr,pattern={{version}}":                           {"type=semvr is not one of schedule", "did you mean type=semver?"},
		"type=semver,patern={{version}}":                           {`type=semver has no attribute "patern"`, "did you mean pattern?"},
		"type=semver":                                              {"type=semver needs the attribute pattern", "such as type=semver,pattern={{version}}"},
		"type=semver,pattern={{majr}}":                             {"pattern: {{majr}} is unknown here", "did you mean {{major}}?"},
		"type=semver,pattern={{version}},match=\\d+":               {"has no group for the version", "put parentheses around it"},
		"type=pep440,pattern={{branch}}":                           {"pattern: {{branch}} is unknown here", "did you mean {{patch}}?"},
		"type=schedule,pattern={{week}}":                           {"pattern: {{week}} is unknown here", "there are {{date}}, {{commit_date}}"},
		"type=ref,event=tags":                                      {"event=tags is not one of branch, tag, pr", "did you mean event=tag?"},
		"type=ref":                                                 {"type=ref needs the attribute event", "event=branch"},
		"type=match,pattern=(":                                     {"error parsing regexp: missing closing )", "re2"},
		"type=match,pattern=/a/y":                                  {"the flag 'y' of the pattern is not supported", "there are i, m, s, g and u"},
		"type=match,pattern=a,group=1":                             {"group=1 does not exist", ""},
		"type=match,pattern=a,group=-1":                            {"group=-1 is not the number of a group", ""},
		"type=sha,format=medium":                                   {"format=medium is not one of short, long", ""},
		"type=sha,abc":                                             {`"abc" has no name, and type=sha has no value`, ""},
		"type=sha,enable=yes":                                      {"enable=yes is neither true nor false", ""},
		"type=sha,enable=":                                         {"enable= is neither true nor false", ""},
		"type=sha,priority=high":                                   {"priority=high is not a number", ""},
		"type=sha,priority=NaN":                                    {"priority=NaN is not a number", ""},
		"type=raw,value={{branch":                                  {"value: {{ without }}", ""},
		"type=raw,value={{#if branch}}a":                           {"{{#if}} without {{/if}}", ""},
		"type=raw,value={{#if branch}}a{{/unless}}":                {"{{#if}} ends with {{/unless}}", ""},
		"type=raw,value={{else}}":                                  {"{{else}} without {{#if}}", ""},
		"type=raw,value={{/if}}":                                   {"{{/if}} without {{#if}}", ""},
		"type=raw,value={{> a}}":                                   {"is not supported", ""},
		"type=raw,value={{date}}":                                  {"{{date}} needs a format: {{date 'YYYYMMDD'}}", ""},
		"type=raw,value={{date 'Y' 'Y'}}":                          {"more than one format", ""},
		"type=raw,value={{date 'Y' tz='Europa/Berlin'}}":           {`no time zone "Europa/Berlin"`, ""},
		"type=raw,value={{date 'Y' tz='Local'}}":                   {`no time zone "Local"`, ""},
		"type=raw,value={{date 'Y' tz='../../etc/passwd'}}":        {"no time zone", ""},
		"type=raw,value={{sha 'x'}}":                               {"{{sha}} has no arguments", ""},
		"type=raw,value=a\"b":                                      {"bare \"", "is quoted with its name"},
		"type=semver,pattern={{version}},value={{tag}},prefix={{x": {"prefix: {{ without }}", ""},
	} {
		_, err := ParseRules("--tag-rule", []string{"# a comment\n\ntype=sha\n" + rule + "\ntype=nothing"})
		var all fault.List
		if !errors.As(err, &all) || len(all) != 2 {
			t.Errorf("%s: %v, want two mistakes", rule, err)
			continue
		}
		mistake := (*fault.Usage)(nil)
		if !errors.As(all[0], &mistake) || mistake.Flag != "--tag-rule, entry 2" || mistake.Value != rule {
			t.Errorf("%s: %v", rule, all[0])
			continue
		}
		if !strings.Contains(mistake.Problem, want.problem) || !strings.Contains(mistake.Hint, want.hint) || want.hint == "" && mistake.Hint != "" {
			t.Errorf("%s: %s\nhint: %s", rule, mistake.Problem, mistake.Hint)
		}
	}
}

func TestParseImages(t *testing.T) {
	got, err := ParseImages("--image", []string{"A/b,ghcr.io/C/d", "name=e,enable=false\nname=host:5000/F\n# x"})
	if err != nil || !slices.Equal(got, []string{"a/b", "ghcr.io/c/d", "host:5000/f"}) {
		t.Errorf("%v, %v", got, err)
	}
	for image, want := range map[string]string{
		"a/b:c": "has a tag", "a@sha256:" + strings.Repeat("a", 64): "has a tag or a digest", "a b": "invalid reference format", "nam=x": "nam is not one of", "enable=true": "names no image", "name=": "names no image", "https://x/y": "invalid reference format", strings.Repeat("a", 64): "cannot specify 64-byte hexadecimal",
	} {
		if _, err := ParseImages("--image", []string{image}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", image, err, want)
		}
	}
}

func TestSetContext(t *testing.T) {
	c := Context{Ref: "refs/heads/main", OnDefaultBranch: true}
	err := c.Set("--tag-context", []string{
		"pr=7", "sha=860c1904\nbase-ref=main", "default-branch=trunk", "commit-time=1767225600", "title=App", "url=https://x.example/a=b", "description=An app", "licenses=MIT", "tag=", "# nothing",
	})
	want := Context{
		Event: EventPullRequest, Ref: "refs/pull/7/merge", SHA: "860c1904", BaseRef: "main", DefaultBranch: "trunk",
		CommitTime: time.Unix(1767225600, 0), Title: "App", URL: "https://x.example/a=b", Description: "An app", Licenses: "MIT",
	}
	if diff := cmp.Diff(want, c); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for value, want := range map[string]string{
		"ref=main": "is none of refs/heads/BRANCH", "ref=": "is none of", "sha=HEAD": "is not a commit", "event=tag_push": "event=tag_push is not one of manual, pull_request, push, schedule", "brnch=x": "key=brnch is not one of", "main": "it is not KEY=VALUE", "commit-time=yesterday": "commit-time is neither",
	} {
		if err := c.Set("--tag-context", []string{value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
	for value, want := range map[string]string{"branch=a/b": "refs/heads/a/b", "tag=v1": "refs/tags/v1", "ref=refs/pull/1/head": "refs/pull/1/head"} {
		if err := c.Set("--tag-context", []string{value}); err != nil || c.Ref != want {
			t.Errorf("%s: %v, %s", value, err, c.Ref)
		}
	}
	if c.OnDefaultBranch {
		t.Error("another reference is still on the default branch")
	}
}

func TestWarnings(t *testing.T) {
	for rules, want := range map[string][]string{
		"type=raw,value=a/b\ntype=raw,value=a-b":                               {`"a/b" of type=raw,value=a/b and "a-b" of type=raw,value=a-b come to the same tag a-b`},
		"type=raw,value=a\ntype=raw,value=a":                                   nil,
		"type=raw,value={{branch}}-{{base_ref}}":                               {`type=raw,value={{branch}}-{{base_ref}} makes "-", which is no tag`},
		"type=semver,pattern={{version}}\ntype=semver,pattern={{major}}":       {"1.x is not a semantic version (https://semver.org)"},
		"type=semver,pattern={{version}},match=app-(.*)":                       {"match=app-(.*) does not match 1.x", "1.x is not a semantic version (https://semver.org)"},
		"type=pep440,pattern={{version}}":                                      {"1.x is not a version of a Python package (https://peps.python.org/pep-0440)"},
		"type=match,pattern=y":                                                 {"pattern=y does not match 1.x"},
		"type=match,pattern=/[0-9]/g,group=2":                                  {"pattern=/[0-9]/g has no group 2 in 1.x"},
		"type=edge\ntype=ref,event=branch\ntype=ref,event=pr\ntype=schedule\n": nil,
	} {
		parsed, err := ParseRules("", []string{rules})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Request{Rules: parsed, Flavor: Flavor{latest: "auto"}}.Make(Context{Ref: "refs/tags/1.x"})
		if diff := cmp.Diff(want, got.Warnings); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", rules, err, diff)
		}
	}
}

func TestNotes(t *testing.T) {
	got, err := Request{Rules: DefaultRules(), Flavor: Flavor{latest: "auto"}}.Make(Context{Ref: "refs/heads/feature/login"})
	want := []string{`the tag feature-login stands for "feature/login": a name that differs only in characters that tags cannot have gets the same`}
	if diff := cmp.Diff(want, got.Notes); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestZone(t *testing.T) {
	for name, want := range map[string]string{"": "UTC", "utc": "UTC", "Europe/Berlin": "Europe/Berlin", "america/new_york": "America/New_York", "est": "EST", "America/Port-au-Prince": "America/Port-au-Prince"} {
		if in, err := zone(name); err != nil || in.String() != want {
			t.Errorf("%q is %v, %v", name, in, err)
		}
	}
}

func TestWeek(t *testing.T) {
	for date, want := range map[string][2]int{"2026-01-01": {2026, 1}, "2025-12-31": {2026, 1}, "2025-12-27": {2025, 52}, "2027-01-02": {2027, 1}, "2022-12-31": {2022, 53}, "2023-01-01": {2023, 1}, "2026-01-04": {2026, 2}} {
		at, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		if year, number := week(at); [2]int{year, number} != want {
			t.Errorf("%s is in week %d of %d, want %v", date, number, year, want)
		}
	}
}

func TestOutputs(t *testing.T) {
	made, err := Request{Rules: DefaultRules(), Flavor: Flavor{latest: "true"}, Images: []string{"a", "b"}}.Make(Context{Ref: "refs/heads/main", Title: "app"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := made.Outputs()
	created := "org.opencontainers.image.created=0001-01-01T00:00:00.000Z"
	labels := created + "\norg.opencontainers.image.title=app\norg.opencontainers.image.version=main"
	want := []Output{
		{"version", "main"},
		{"tags", "a:main\na:latest\nb:main\nb:latest"},
		{"tag-names", "main\nlatest"},
		{"labels", labels},
		{"annotations", "manifest:" + strings.ReplaceAll(labels, "\n", "\nmanifest:")},
	}
	if diff := cmp.Diff(want, got[:5]); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got[5].Name != "json" || !strings.HasPrefix(got[5].Value, `{"version":"main","tags":["a:main"`) {
		t.Errorf("json is %s", got[5].Value)
	}
}

// FuzzRules makes tags of rules and references that nobody has thought of: whatever
// comes of them is valid, and nothing else.
func FuzzRules(f *testing.F) {
	for _, rule := range []string{
		"type=ref,event=branch", "type=semver,pattern={{major}}.{{minor}}", "type=pep440,pattern={{version}}", "type=match,pattern=/v(.*)/i,group=1", "type=raw,value={{branch}}-{{date 'YYYY' tz='Asia/Tokyo'}}", "type=edge", "type=sha,prefix={{#if tag}}t{{else}}b{{/if}}-", `"type=raw","value=a,b"`, "type=schedule,pattern={{commit_date 'Do'}}",
	} {
		f.Add(rule, "refs/heads/main", "suffix=-x,onlatest=true")
		f.Add(rule, "refs/tags/v1.2.3-rc.1+b", "latest=true,prefix={{branch}}-,onlatest=true")
	}
	f.Fuzz(func(t *testing.T, rule, ref, flavor string) {
		rules, err := ParseRules("", []string{rule})
		if err != nil {
			return
		}
		with, err := ParseFlavor("", []string{flavor})
		if err != nil {
			return
		}
		made, err := Request{Rules: rules, Flavor: with, Images: []string{"a/b"}}.Make(Context{Event: EventSchedule, Ref: ref, SHA: "860c190"})
		if err != nil {
			return
		}
		for i, tag := range made.TagNames {
			if !validTag.MatchString(tag) {
				t.Errorf("%q of %q makes %q", rule, ref, tag)
			}
			if slices.Contains(made.TagNames[:i], tag) {
				t.Errorf("%q stands twice", tag)
			}
		}
	})
}

// FuzzTemplate parses expressions: what is accepted can be rendered, and a text
// without braces stands for itself.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"{{branch}}", "{{{branch}}}", "{{&tag}}", "{{! c }}", "{{!-- }} --}}", "{{~ branch ~}}", `\{{branch}}`, `\\{{branch}}`, "{{#if tag}}a{{else}}b{{/if}}", "{{date 'YYYY-MM-DD[T]HH:mm:ss.SSSZ' tz='Europe/Berlin'}}", "{{this.branch}}", "{{[branch]}}", "{{", "}}", "{{{", "{{#unless tag}}{{/unless}}", `{{date "LLLL [x] \Y"}}`,
	} {
		f.Add(text)
	}
	v := Context{Ref: "refs/heads/a&b", Now: time.Unix(1772719629, 0)}.values()
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseTemplate(text, globalNames)
		if err != nil {
			return
		}
		got := parsed.render(v)
		if !strings.Contains(text, "{{") && got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// TestContextIsClean has a line end and a control sequence in every text.
func TestContextIsClean(t *testing.T) {
	var c Context
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		if fields.Field(i).Kind() == reflect.String {
			fields.Field(i).SetString("a\nb\x1b c ")
		}
	}
	c.Clean()
	for i := range fields.NumField() {
		if fields.Field(i).Kind() == reflect.String && fields.Field(i).String() != "a b c" {
			t.Errorf("%s is %q", fields.Type().Field(i).Name, fields.Field(i).String())
		}
	}
}
