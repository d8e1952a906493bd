package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ciIndex is the page that leads to those of CI systems, in the module.
const ciIndex = "docs/ci/README.md"

// ciPages are the pages of CI systems.
func ciPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/ci/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("pages %q, %v", pages, err)
	}
	return slices.DeleteFunc(pages, func(page string) bool { return filepath.Base(page) == filepath.Base(ciIndex) })
}

// TestCIPagesAreAlike tests that each page has what a user looks for in the same order,
// and leads to the rules for tags.
func TestCIPagesAreAlike(t *testing.T) {
	want := []string{"Set-up", "Pipeline", "What its log shows", "Results"}
	heading := regexp.MustCompile(`(?m)^## (.*)$`)
	fences := regexp.MustCompile("(?s)```.*?```")
	for _, page := range ciPages(t) {
		text := fences.ReplaceAllString(readText(t, page), "")
		var got []string
		for _, match := range heading.FindAllStringSubmatch(text, -1) {
			got = append(got, match[1])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the headings of %s (-want +got):\n%s", page, diff)
		}
		if !strings.Contains(text, "](../tags.md") {
			t.Errorf("%s does not lead to docs/tags.md", page)
		}
	}
}

// TestDigestsOfPages finds digests that stand in the middle of a word.
func TestDigestsOfPages(t *testing.T) {
	glued := regexp.MustCompile(`[A-Za-z0-9]sha256:[0-9a-f]|sha256:[0-9a-f]{64}[A-Za-z0-9]`)
	for _, page := range slices.Concat(docPages(t), ciPages(t)) {
		for line := range strings.Lines(readText(t, page)) {
			if glued.MatchString(line) {
				t.Errorf("%s: %s", page, line)
			}
		}
	}
}

// TestPipelinesMountTheDefinitions tests that what pipelines and their pages mount is the
// ConfigMap that the chart makes for a release of the name that its page gives one.
func TestPipelinesMountTheDefinitions(t *testing.T) {
	name := regexp.MustCompile(`configMap: \{name: ([^,}]+)|(?s)config_map\]\]\n\s+name = "([^"]+)"|create --configmap [^/\s]+/(\S+)`)
	files := ciPages(t)
	for _, pattern := range []string{"*/*.yaml", "*/*/*.yaml"} {
		found, err := filepath.Glob(filepath.Join("../../pipelines", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	seen := 0
	for _, file := range files {
		for _, match := range name.FindAllStringSubmatch(readText(t, file), -1) {
			got := match[1] + match[2] + match[3]
			if got == "kube-root-ca.crt" { // Kubernetes makes it in each namespace
				continue
			}
			seen++
			if got != "slipway-builders" {
				t.Errorf("%s names the ConfigMap %s", file, got)
			}
		}
	}
	if seen < 15 {
		t.Errorf("%d names are found: the test overlooks some", seen)
	}
}
