package policy

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
)

var update = flag.Bool("update", false, "write generated files again")

// TestParseRefuses tests that each mistake is named by file and path, all at once.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "p.yaml: is empty",
		"a: [":                               "p.yaml: is not valid YAML: line 1",
		"{}\n---\n{}":                        "p.yaml: holds more than one document",
		"[]":                                 "p.yaml: must be an object, not a list",
		"exporter: [image]":                  `p.yaml: exporter: unknown key | did you mean "exporters"?`,
		"cacheExports: {ref: [a]}":           `p.yaml: cacheExports.ref: unknown key | did you mean "refs"?`,
		"clients: {a: {tenantt: x}}":         `p.yaml: clients["a"].tenantt: unknown key | did you mean "tenant"?`,
		"clients: {a: {clients: {}}}":        `p.yaml: clients["a"].clients: unknown key`,
		"entitlements: [network.hots]":       `p.yaml: entitlements[0]: "network.hots" is not known | did you mean "network.host"?`,
		"exporters: image":                   `p.yaml: exporters: must be a list, not "image"`,
		"maxBuilds: 0":                       "p.yaml: maxBuilds: must be a whole number from 1, not 0",
		"maxBuilds: many":                    `p.yaml: maxBuilds: must be a whole number from 1, not "many"`,
		"timeout: 5":                         "p.yaml: timeout: must be a duration such as 30m, not 5",
		"timeout: -5m":                       "p.yaml: timeout: -5m0s is not a duration of more than zero",
		"gatewayContainers: perhaps":         `p.yaml: gatewayContainers: must be true or false, not "perhaps"`,
		"tenant: ''":                         "p.yaml: tenant: is empty: leave it out to bind nothing",
		"tenant: [a]":                        "p.yaml: tenant: must be a string, not a list",
		"push: [nginx]":                      `p.yaml: push: "nginx": is no pattern of repositories`,
		"push: ['registry.example/a:']":      `p.yaml: push: "registry.example/a:": is no pattern of repositories, such as registry.example/team/**: "" is no tag`,
		"push: ['registry.example/a@b']":     "what follows the @ is no digest",
		"clients: {a: {push: [nginx]}}":      `p.yaml: clients["a"]: push: "nginx"`,
		"syntaxImages: ['*', docker.io/a/b]": `p.yaml: syntaxImages: "*" stands for all images: leave out the others`,
		"tenant: a\ntenant: b":               "p.yaml: is not valid YAML",
		"push: [3]\nmaxWaiting: -1":          "p.yaml: maxWaiting: must be a whole number from 0, not -1; p.yaml: push[0]: must be a string, not 3",
	} {
		_, err := Parse("p.yaml", []byte(text))
		if err == nil {
			t.Errorf("%q is taken", text)
			continue
		}
		got := err.Error()
		if hints := fault.Hints(err); len(hints) > 0 {
			got += " | " + strings.Join(hints, " | ")
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s\nwant %s", text, got, want)
		}
	}
}

// TestRulesOfClients tests that a client's keys replace those of all, and that JSON is
// read as YAML is.
func TestRulesOfClients(t *testing.T) {
	p := parse(t, `{"tenant": "all", "maxBuilds": 2, "timeout": "1h", "push": ["r.example/all/**"], "maxBuildsPerNode": 7,
		"clients": {"team-a": {"tenant": "a", "push": [], "timeout": "5m"}, "team-b": null}}`)
	if p.MaxBuilds != 7 {
		t.Errorf("a node runs %d builds", p.MaxBuilds)
	}
	for name, want := range map[string]Client{
		"":       {Tenant: "all", MaxBuilds: 2, Timeout: time.Hour},
		"other":  {Tenant: "all", MaxBuilds: 2, Timeout: time.Hour},
		"team-a": {Tenant: "a", MaxBuilds: 2, Timeout: 5 * time.Minute},
		"team-b": {Tenant: "all", MaxBuilds: 2, Timeout: time.Hour},
	} {
		got := p.For(name)
		if got.Tenant != want.Tenant || got.MaxBuilds != want.MaxBuilds || got.Timeout != want.Timeout || got.MaxWaiting != defaultMaxWaiting {
			t.Errorf("%q: %+v", name, got)
		}
		if pushes := len(got.push); pushes != map[bool]int{true: 0, false: 1}[name == "team-a"] {
			t.Errorf("%q has %d patterns", name, pushes)
		}
	}
}

func parse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse("policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestImagePattern(t *testing.T) {
	const digest = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for pattern, cases := range map[string]map[string]bool{
		"r.example/team/**":             {"r.example/team/a:1": true, "r.example/team/a/b": true, "r.example/team": false, "evil.example/team/a": false, "team/a": false, "r.example/team/a" + digest: true},
		"r.example/a:v*":                {"r.example/a:v1": true, "r.example/a": false, "r.example/a:1": false, "r.example/a:v1" + digest: false, "r.example/a" + digest: false},
		"r.example/a:latest":            {"r.example/a": true, "r.example/a:latest": true},
		"docker.io/docker/dockerfile:1": {"docker/dockerfile:1": true, "docker.io/docker/dockerfile:1": true, "docker/dockerfile": false, "docker/dockerfile-upstream:1": false},
		"r.example/a" + digest:          {"r.example/a" + digest: true, "r.example/a:v1" + digest: true, "r.example/a": false},
		"r.example:5000/a":              {"r.example:5000/a:1": true, "r.example/a": false},
	} {
		p, err := ParseImagePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		for image, want := range cases {
			named, err := reference.ParseNormalizedNamed(image)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Matches(named); got != want {
				t.Errorf("%s: %s: %t, want %t", pattern, image, got, want)
			}
		}
	}
}

// TestMayPush tests that a token is for a repository all of whose images may be pushed.
func TestMayPush(t *testing.T) {
	c := parse(t, "push: [r.example/a/**, 'r.example/any:*', 'r.example/some:v*']").For("")
	for repository, want := range map[string]bool{"r.example/a/b": true, "r.example/any": true, "r.example/some": false, "r.example/other": false, "evil.example/a/b": false} {
		if got := c.MayPush(repository); got != want {
			t.Errorf("%s: %t, want %t", repository, got, want)
		}
	}
}

// TestReferenceIsUpToDate compares docs/policy.schema.json, and the table of keys in
// docs/policy.md, with the types.
func TestReferenceIsUpToDate(t *testing.T) {
	schema, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	const page, begin, end = "../../../docs/policy.md", "<!-- begin keys -->\n", "<!-- end keys -->"
	before, rest, found := strings.Cut(read(t, page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the keys", page)
	}
	for path, want := range map[string]string{"../../../docs/policy.schema.json": string(schema), page: before + begin + Reference() + end + after} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(read(t, path), want); diff != "" {
			t.Errorf("%s is out of date, run go test ./agent/sidecar/policy -run Reference -update (-file +program):\n%s", path, diff)
		}
	}
}

// TestExample reads the policy of the documentation, which its page repeats.
func TestExample(t *testing.T) {
	text := read(t, "../../../docs/policy-example.yaml")
	p := parse(t, text)
	body := text[strings.Index(text, "tenant:"):]
	if !strings.Contains(read(t, "../../../docs/policy.md"), "```yaml\n"+body+"```") {
		t.Errorf("docs/policy.md does not show the example:\n%s", body)
	}
	if p.For("").Tenant == "" || p.For("").MaxBuilds == 0 {
		t.Errorf("the example is not that of the documentation: %+v", p.For(""))
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && *update {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
