package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"testing"
	"unicode/utf8"
)

// schema is what the formats of GitLab's reports need of JSON Schema.
type schema struct {
	Source               string
	Type                 string
	Enum                 []string
	Required             []string
	Properties           map[string]*schema
	AdditionalProperties json.RawMessage // false, or a schema
	Items                *schema
	MinLength            int
	MaxLength            int
	Minimum              *float64
	Pattern              string
}

// readSchema reads a file of testdata. A keyword that schema does not have fails the test.
func readSchema(t *testing.T, name string) *schema {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &s
}

// check returns what is wrong with a report, nil for nothing.
func (s *schema) check(report []byte) error {
	var value any
	if err := json.Unmarshal(report, &value); err != nil {
		return err
	}
	return s.at("report", value)
}

func (s *schema) at(path string, value any) error {
	switch value := value.(type) {
	case map[string]any:
		if s.Type != "object" {
			return fmt.Errorf("%s is an object", path)
		}
		for _, name := range s.Required {
			if _, ok := value[name]; !ok {
				return fmt.Errorf("%s has no %q", path, name)
			}
		}
		for name, field := range value {
			property, ok := s.Properties[name]
			if !ok && string(s.AdditionalProperties) == "false" {
				return fmt.Errorf("%s has %q", path, name)
			}
			if !ok {
				property = &schema{}
				if err := json.Unmarshal(s.AdditionalProperties, property); err != nil {
					return err
				}
			}
			if err := property.at(path+"."+name, field); err != nil {
				return err
			}
		}
	case []any:
		if s.Type != "array" {
			return fmt.Errorf("%s is a list", path)
		}
		for i, item := range value {
			if err := s.Items.at(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
				return err
			}
		}
	case string:
		if s.Enum != nil {
			for _, one := range s.Enum {
				if one == value {
					return nil
				}
			}
			return fmt.Errorf("%s is %q, which is none of %q", path, value, s.Enum)
		}
		if size := utf8.RuneCountInString(value); s.Type != "string" || size < s.MinLength || s.MaxLength > 0 && size > s.MaxLength {
			return fmt.Errorf("%s is a text of %d characters: %q", path, size, value)
		}
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(value) {
			return fmt.Errorf("%s is %q, which does not match %s", path, value, s.Pattern)
		}
	case float64:
		if s.Type != "integer" || value != math.Trunc(value) || s.Minimum != nil && value < *s.Minimum {
			return fmt.Errorf("%s is %v", path, value)
		}
	default:
		return fmt.Errorf("%s is %v", path, value)
	}
	return nil
}

// TestSchemasRefuse tests that what GitLab would not take is seen.
func TestSchemasRefuse(t *testing.T) {
	const issue = `{"description": "d", "check_name": "c", "fingerprint": "f", "severity": "minor", "location": {"path": "a", "lines": {"begin": 1}}}`
	quality, links := readSchema(t, "gitlab-codequality.json"), readSchema(t, "gitlab-annotations.json")
	for report, want := range map[string]bool{
		"[]": true, "[" + issue + "]": true, issue: false, "{}": false, "null": false,
		`[{"description": "d"}]`: false,
		`[{"description": "d", "check_name": "c", "fingerprint": "f", "severity": "error", "location": {"path": "a", "lines": {"begin": 1}}}]`:              false,
		`[{"description": "", "check_name": "c", "fingerprint": "f", "severity": "minor", "location": {"path": "a", "lines": {"begin": 1}}}]`:               false,
		`[{"description": "d", "check_name": "c", "fingerprint": "f", "severity": "minor", "location": {"path": "/a", "lines": {"begin": 1}}}]`:             false,
		`[{"description": "d", "check_name": "c", "fingerprint": "f", "severity": "minor", "location": {"path": "./a", "lines": {"begin": 1}}}]`:            false,
		`[{"description": "d", "check_name": "c", "fingerprint": "f", "severity": "minor", "location": {"path": "a", "lines": {"begin": 0}}}]`:              false,
		`[{"description": "d", "check_name": "c", "fingerprint": "f", "severity": "minor", "location": {"path": "a", "lines": {"begin": "1"}}}]`:            false,
		`[{"description": "d", "check_name": "c", "fingerprint": "f", "severity": "minor", "location": {"path": "a", "lines": {"begin": 1}}, "other": ""}]`: false,
	} {
		if err := quality.check([]byte(report)); (err == nil) != want {
			t.Errorf("code quality %s: %v", report, err)
		}
	}
	for report, want := range map[string]bool{
		"{}": true, `{"Images": []}`: true, `{"Images": [{"external_link": {"label": "l", "url": "https://a.test/x"}}]}`: true, "[]": false,
		`{"Images": {}}`: false, `{"Images": [{"link": {}}]}`: false, `{"Images": [{"external_link": {"label": "l"}}]}`: false,
		`{"Images": [{"external_link": {"label": "l", "url": "javascript:x"}}]}`: false,
	} {
		if err := links.check([]byte(report)); (err == nil) != want {
			t.Errorf("annotations %s: %v", report, err)
		}
	}
}

// TestGitLabReportsFollowTheSchemas tests reports of builds of all kinds, and of texts and
// names of all kinds, with the formats that GitLab documents.
func TestGitLabReportsFollowTheSchemas(t *testing.T) {
	quality, links := readSchema(t, "gitlab-codequality.json"), readSchema(t, "gitlab-annotations.json")
	follow := func(r Results) error {
		data, err := codeQuality(r)
		if err != nil {
			return err
		}
		if err := quality.check(data); err != nil {
			return fmt.Errorf("%w\n%s", err, data)
		}
		if data, err = annotations(r, GitLab{ProjectURL: "https://gitlab.example/team/app", Registry: "registry.example"}); err != nil {
			return err
		}
		if err := links.check(data); err != nil {
			return fmt.Errorf("%w\n%s", err, data)
		}
		return nil
	}
	pushed := built()
	pushed.push("registry.example/team/app:1", "alpine:1", "docker.io/team/app:1", "[fd00::1]:5000/app:1", "not a name")
	for name, r := range map[string]Results{
		"nothing": {}, "built": built(), "pushed": pushed, "failed": broken(),
		"no line, no rule": {Warnings: []Finding{{Message: "m", File: "Dockerfile"}}},
		"no message":       {Warnings: []Finding{{Rule: "R", File: "Dockerfile", Line: 1}}},
		"hidden file":      {Warnings: []Finding{{Message: "m", File: ".ci/Dockerfile"}, {Message: "m", File: "../Dockerfile"}, {Message: "m", File: "./Dockerfile"}}},
	} {
		if err := follow(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	property(t, follow)
}
