package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/shlex"

	"github.com/slipway-build/slipway/configmap"
)

// fenced is a block of text in a page, with its language.
var fenced = regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")

// docPages are the pages that people read, by their paths.
func docPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 20 {
		t.Fatalf("pages %q, %v", pages, err)
	}
	return append(pages, "../../README.md", "../../charts/slipway/README.md")
}

// TestDefinitionsInTheDocumentation lints every definition that a page shows as
// a whole.
func TestDefinitionsInTheDocumentation(t *testing.T) {
	count := map[string]int{}
	for _, page := range docPages(t) {
		for _, block := range fenced.FindAllStringSubmatch(readText(t, page), -1) {
			text := block[2]
			whole := block[1] == "yaml" && strings.HasPrefix(text, "Name: ") || block[1] == "json" && regexp.MustCompile(`^\{\s*"Name":`).MatchString(text)
			if !whole || !strings.Contains(text, "Driver") {
				continue
			}
			set := configmap.Parse(filepath.Base(page), []byte(text))
			if err := set.Broken(); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, text)
			}
			for _, d := range set.Definitions() {
				if len(d.Warnings) > 0 && filepath.Base(page) == "clusters.md" {
					t.Errorf("%s: warnings %q of\n%s", page, d.Warnings, text)
				}
				count[filepath.Base(page)]++
			}
		}
	}
	if count["clusters.md"] < 8 || count["profiles.md"] == 0 || count["definitions.md"] == 0 {
		t.Errorf("definitions by page: %v: the test overlooks some", count)
	}
}

// commandIn finds a command of slipway in a line of a block: at its beginning, or after
// what shells, pages and CI systems have before one.
var commandIn = regexp.MustCompile(`(?:^|[ \t'"(])slipway [a-z-].*`)

// inlineCommand is a command in the prose of a page.
var inlineCommand = regexp.MustCompile("`(slipway [a-z][^`]*)`")

// TestCommandsInTheDocumentation parses the commands that pages show. What they do is
// tried by the scenarios of their pages.
func TestCommandsInTheDocumentation(t *testing.T) {
	parse := func(page, line string, inline bool) {
		line = strings.Join(strings.Fields(line), " ")
		for _, end := range []string{" | ", " > ", " >> ", " #", " && ", "', return"} {
			line, _, _ = strings.Cut(line, end)
		}
		args, err := shlex.Split(line)
		if err != nil { // a quote around the command ends here
			args, err = shlex.Split(strings.TrimRight(line, `'"`))
		}
		if err != nil {
			t.Errorf("%s: %s: %v", filepath.Base(page), line, err)
			return
		}
		if slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, "…") }) {
			return
		}
		_, err = newParser(t).Parse(args[1:])
		// Prose names commands and flags without their arguments.
		if err != nil && inline && (strings.Contains(err.Error(), "expected ") || strings.HasPrefix(err.Error(), "missing positional arguments")) {
			return
		}
		if err != nil {
			t.Errorf("%s: %s: %v", filepath.Base(page), line, err)
		}
	}
	count := 0
	for _, page := range docPages(t) {
		text := readText(t, page)
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if !slices.Contains([]string{"sh", "console", "yaml", "groovy"}, block[1]) {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(block[2], "\\\n", " ")) {
				line = strings.TrimSpace(line)
				if block[1] == "console" && !strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "#") {
					continue
				}
				if found := commandIn.FindString(line); found != "" && !strings.HasPrefix(line, "helm ") && !strings.Contains(line, "# with slipway") {
					count++
					parse(page, strings.TrimLeft(found, " \t'\"("), false)
				}
			}
		}
		for _, found := range inlineCommand.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			count++
			parse(page, found[1], true)
		}
	}
	if count < 300 {
		t.Errorf("found %d commands: the test overlooks some", count)
	}
}

// TestMirrorsOfTheClustersPage compares the text of the page's buildkitd.toml with
// what its definition has in base64.
func TestMirrorsOfTheClustersPage(t *testing.T) {
	page := readText(t, "../../docs/clusters.md")
	toml, found := "", false
	for _, block := range fenced.FindAllStringSubmatch(page, -1) {
		if block[1] == "toml" {
			toml = block[2]
			continue
		}
		if !strings.Contains(block[2], "buildkitd.toml: ") {
			continue
		}
		for _, d := range configmap.Parse("clusters.md", []byte(block[2])).Definitions() {
			found = true
			if got := string(d.Nodes[0].Files["buildkitd.toml"]); got != toml {
				t.Errorf("the definition has\n%s\nand the page says\n%s", got, toml)
			}
		}
	}
	if !found {
		t.Error("the page has no definition with a buildkitd.toml")
	}
}

// TestTestsNamedInTheDocumentation looks for the tests that pages name as the
// proof of what they say.
func TestTestsNamedInTheDocumentation(t *testing.T) {
	var known []string
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, dir := range []string{"../../e2e", "../../agent", "../../configmap", "../../registry", "../../internal", "."} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, "_test.go") {
				for _, found := range function.FindAllStringSubmatch(readText(t, path), -1) {
					known = append(known, found[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	for _, page := range docPages(t) {
		for _, found := range regexp.MustCompile("`(Test[A-Z]\\w+)(/\\w+)?`").FindAllStringSubmatch(readText(t, page), -1) {
			count++
			if !slices.Contains(known, found[1]) {
				t.Errorf("%s names %s, and there is no such test", page, found[1])
			}
		}
	}
	if count < 10 {
		t.Errorf("%d tests are named: this one overlooks some", count)
	}
}
