package tagrule_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// oracleCase is a case of testdata/cases.json.
type oracleCase struct {
	Name       string            `json:"name"`
	Event      string            `json:"event"`
	Ref        string            `json:"ref"`
	SHA        string            `json:"sha"`
	Now        time.Time         `json:"now"`
	CommitTime time.Time         `json:"commit_time"`
	Repository map[string]any    `json:"repository"`
	Payload    map[string]any    `json:"payload"`
	Env        map[string]string `json:"env"`

	Images, Tags, Flavor, Labels, Annotations []string
}

// oracleAnswer is what the action answers.
type oracleAnswer struct {
	Name                string
	Error               string
	Version             string
	Tags                []string
	TagNames            []string `json:"tag-names"`
	Labels, Annotations []string
	JSON                tagrule.JSON
}

func (c oracleCase) make(t *testing.T) (tagrule.Result, error) {
	t.Helper()
	// The action asks the API for the repository, which events mostly hold.
	payload := map[string]any{}
	for key, value := range c.Payload {
		payload[key] = value
	}
	payload["repository"] = c.Repository
	raw, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	v := ci.Variables{GitHub: ci.GitHub{Actions: "true", ServerURL: "https://github.com", Repository: "octo/app"}}
	v.Refs.GitHub = ci.GitHubRef{EventName: c.Event, EventPath: "event.json", Ref: c.Ref, SHA: c.SHA}
	system, _ := v.Detect()
	p, _ := system.Pipeline(v, func(string, int64) ([]byte, error) { return raw, nil })
	if p.Context.CommitTime.IsZero() {
		p.Context.CommitTime = c.CommitTime
	}
	p.Context.Now = c.Now
	p.Context.ShortSHA, _ = strconv.Atoi(c.Env["DOCKER_METADATA_SHORT_SHA_LENGTH"])
	if c.Env["DOCKER_METADATA_PR_HEAD_SHA"] == "true" && p.HeadSHA != "" {
		p.Context.SHA = p.HeadSHA
	}
	request := tagrule.Request{Rules: tagrule.DefaultRules()}
	if len(c.Tags) > 0 {
		if request.Rules, err = tagrule.ParseRules("--tag-rule", c.Tags); err != nil {
			return tagrule.Result{}, err
		}
	}
	if request.Flavor, err = tagrule.ParseFlavor("--tag-flavor", c.Flavor); err != nil {
		return tagrule.Result{}, err
	}
	if request.Images, err = tagrule.ParseImages("--image", c.Images); err != nil {
		return tagrule.Result{}, err
	}
	if request.Labels, err = tagrule.ParseExtras("--label-rule", c.Labels); err != nil {
		return tagrule.Result{}, err
	}
	if request.Annotations, err = tagrule.ParseExtras("--annotation-rule", c.Annotations); err != nil {
		return tagrule.Result{}, err
	}
	if levels := c.Env["DOCKER_METADATA_ANNOTATIONS_LEVELS"]; levels != "" {
		request.Levels = strings.Split(levels, ",")
	}
	return request.Make(p.Context)
}

// TestOracle compares with what docker/metadata-action has answered.
func TestOracle(t *testing.T) {
	cases := readCases(t)
	var recorded struct{ Answers []oracleAnswer }
	readJSON(t, "testdata/answers.json", &recorded)
	if len(cases) < 60 || len(cases) != len(recorded.Answers) {
		t.Fatalf("there are %d cases and %d answers", len(cases), len(recorded.Answers))
	}
	seen := 0
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			want := recorded.Answers[i]
			if want.Name != c.Name {
				t.Fatalf("the answer is that of %s: run testdata/generate.mjs again", want.Name)
			}
			result, err := c.make(t)
			got := answer(c.Name, result, err)
			differs, known := differences[c.Name]
			if !known {
				if want.Error != "" {
					want = oracleAnswer{Name: want.Name, Error: "any"}
				}
				want.dropUnknown()
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-action +ours):\n%s\n%v", diff, err)
				}
				return
			}
			seen++
			switch {
			case differs.refused != "" && (err == nil || !strings.Contains(err.Error(), differs.refused)):
				t.Errorf("the error is %v, want %s", err, differs.refused)
			case differs.refused == "" && err != nil:
				t.Error(err)
			case differs.refused == "" && !slices.Equal(result.TagNames, differs.tags):
				t.Errorf("the tags are %v, want %v", result.TagNames, differs.tags)
			}
			if cmp.Equal(want, got) {
				t.Error("it does not differ from the action")
			}
		})
	}
	if seen != len(differences) {
		t.Errorf("%d differences are listed, and %d of the cases differ", len(differences), seen)
	}
}

// answer is a result in the form of the action's. Its texts of errors are its own.
func answer(name string, r tagrule.Result, err error) oracleAnswer {
	if err != nil {
		return oracleAnswer{Name: name, Error: "any"}
	}
	got := oracleAnswer{Name: name, Version: r.Version, Tags: list(r.Tags), TagNames: list(r.TagNames), Labels: []string{}, Annotations: list(r.Annotations), JSON: r.JSON()}
	for _, l := range r.Labels {
		got.Labels = append(got.Labels, l.Name+"="+l.Value)
	}
	got.JSON.Version = "" // the action's has none
	return got
}

// unknown are the usual labels whose value nobody tells: the action has them with an
// empty value. docs/tags.md has a row for it.
var unknown = regexp.MustCompile(`^(manifest:|index:)?org\.opencontainers\.image\.(description|licenses|version)=$`)

func (a *oracleAnswer) dropUnknown() {
	for _, of := range []*[]string{&a.Labels, &a.Annotations, &a.JSON.Annotations} {
		*of = slices.DeleteFunc(*of, unknown.MatchString)
	}
	maps.DeleteFunc(a.JSON.Labels, func(name, value string) bool { return unknown.MatchString(name + "=" + value) })
}

func list(all []string) []string { return append([]string{}, all...) }

func readCases(t *testing.T) []oracleCase {
	t.Helper()
	var file struct {
		Defaults json.RawMessage
		Cases    []json.RawMessage
	}
	readJSON(t, "testdata/cases.json", &file)
	all := make([]oracleCase, 0, len(file.Cases))
	for _, raw := range file.Cases {
		var defaults, c oracleCase
		given := map[string]json.RawMessage{}
		for _, into := range []struct {
			raw   json.RawMessage
			value any
		}{{file.Defaults, &defaults}, {file.Defaults, &c}, {raw, &given}} {
			if err := json.Unmarshal(into.raw, into.value); err != nil {
				t.Fatal(err)
			}
		}
		// What a case gives stands in the place of the default.
		for key := range given {
			switch key {
			case "payload":
				c.Payload = nil
			case "repository":
				c.Repository = nil
			case "images":
				c.Images = nil
			}
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
}

// difference is where the answer is not the action's.
type difference struct {
	tags []string
	// refused is a part of the error.
	refused string
	// why is the row of the table in docs/tags.md.
	why string
}

const (
	unknownExpressions = "An expression that there is not"
	parts              = "A path with a number"
	quoting            = "Quotes in a rule"
	noGroup            = "A group that the pattern does not have"
	lookaround         = "Lookahead, lookbehind, backreferences"
	once               = "The same tag twice"
	unknownAttributes  = "An attribute that the type does not have"
	latestExpressions  = "Expressions in the flavor, on latest"
	equalsSigns        = "An equals sign in a value of the flavor"
	zones              = "A time zone that there is not"
	beginnings         = "A tag that begins with a period or a dash"
	emptied            = "A name of which no character can be in a tag"
	lengths            = "A tag of more than 128 characters"
	comments           = "A comment after white space"
	noValue            = "A label without a value"
	blocks             = "Other blocks than if and unless, else if, subexpressions"
)

// differences are the cases where Slipway's answer is not the action's.
var differences = map[string]difference{
	"semver build and patch":           {why: unknownExpressions, refused: "{{loose}} is unknown here"},
	"expressions, unknown name":        {why: unknownExpressions, refused: "{{nothing}} is unknown here"},
	"schedule pattern has no branch":   {why: unknownExpressions, refused: "{{branch}} is unknown here"},
	"semver path":                      {why: parts, tags: []string{"pb.2.1", "latest"}},
	"match with comma quoted":          {why: quoting, tags: []string{"20200110", "latest"}},
	"comma in a rule":                  {why: quoting, tags: []string{"a-b"}},
	"match group that is none":         {why: noGroup, refused: "group=3 does not exist"},
	"match lookahead":                  {why: lookaround, refused: "invalid or unsupported Perl syntax"},
	"raw latest twice":                 {why: once, tags: []string{"latest"}},
	"unknown attribute":                {why: unknownAttributes, refused: `type=raw has no attribute "enabled"`},
	"flavor expression on latest":      {why: latestExpressions, tags: []string{"dev-x", "dev-latest"}},
	"flavor value with an equals sign": {why: equalsSigns, tags: []string{"a-b-x"}},
	"date in an unknown zone":          {why: zones, refused: `there is no time zone "Mars/Olympus"`},
	"emoji only":                       {why: emptied, tags: []string{"ref-6146299c"}},
	"emoji first":                      {why: beginnings, tags: []string{"x"}},
	"dot first":                        {why: beginnings, tags: []string{"hidden"}},
	"dash first":                       {why: beginnings, tags: []string{"x"}},
	"only an equals sign":              {why: beginnings, tags: []string{"x"}},
	"long branch":                      {why: lengths, tags: []string{strings.Repeat("x", 119) + "-0d4e2ca9"}},
	"long branch with slashes":         {why: lengths, tags: []string{strings.Repeat("abcdefghi-", 11) + "abcdefghi-673817ce"}},
	"match unicode flag":               {why: emptied, tags: []string{"ref-6dbd11fd", "latest"}},
	"expressions, else if":             {why: blocks, refused: "{{else if}} is not supported"},
	"expressions, each":                {why: blocks, refused: "{{#each}} is not supported"},
	"expressions, subexpression":       {why: blocks, refused: "{{date (branch)}} is not supported"},
	"comments and blank lines":         {why: comments, tags: []string{"a-b", "c-d", "e"}},
	"label without value":              {why: noValue, refused: "it is not NAME=VALUE"},
}

// TestDifferencesAreDocumented looks each reason up in docs/tags.md.
func TestDifferencesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/tags.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range differences {
		if !strings.Contains(string(doc), "\n| "+d.why+" |") {
			t.Errorf("%s: docs/tags.md has no row %q", name, d.why)
		}
	}
}
