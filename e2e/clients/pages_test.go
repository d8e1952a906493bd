package clients

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPagesShowTheFiles tests that an excerpt in docs/ci that a paragraph with a link to a
// file of pipelines introduces stands in that file, whatever its indentation there.
func TestPagesShowTheFiles(t *testing.T) {
	t.Parallel()
	// In a paragraph with several links the last one is the excerpt's.
	excerpt := regexp.MustCompile("(?m)((?:^(?:[^\n`]|`[^`])[^\n]*\n)+)\n[ ]*```(?:yaml|groovy|dockerfile)\n((?s:.*?))^[ ]*```$")
	link := regexp.MustCompile(`\]\(\.\./\.\./(pipelines/[^)]*\.[a-z]+|pipelines/[^)]*file[^)]*)\)`)
	for page, want := range map[string]int{"argo": 2, "github": 1, "gitlab": 2, "jenkins": 2, "tekton": 2, "woodpecker": 2} {
		shown := 0
		for _, found := range excerpt.FindAllStringSubmatch(readFile(t, filepath.Join("../../docs/ci", page+".md")), -1) {
			links := link.FindAllStringSubmatch(found[1], -1)
			if !strings.HasSuffix(strings.TrimSpace(found[1]), ":") || links == nil {
				continue
			}
			shown++
			file := links[len(links)-1][1]
			if !holds(readFile(t, filepath.Join("../..", file)), found[2]) {
				t.Errorf("docs/ci/%s.md shows what does not stand in %s:\n%s", page, file, found[2])
			}
		}
		if shown < want {
			t.Errorf("docs/ci/%s.md shows %d excerpts of files, want at least %d", page, shown, want)
		}
	}
}

// holds says whether all lines of an excerpt stand in a text, one below the other, and
// each with as much more white space in front of it as the first one has.
func holds(text, excerpt string) bool {
	lines := strings.Split(text, "\n")
	shown := strings.Split(strings.TrimRight(excerpt, "\n"), "\n")
	indent := func(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " "))] }
	cut := indent(shown[0])
	for first := 0; first+len(shown) <= len(lines); first++ {
		more, same := indent(lines[first]), true
		for i, line := range shown {
			line = strings.TrimPrefix(line, cut)
			if line != "" {
				line = more + line
			}
			same = same && lines[first+i] == line
		}
		if same {
			return true
		}
	}
	return false
}

// TestPagesOfSystems tests that each page of a CI system has what a reader looks for: how
// to set up agents, a pipeline with tags by rules, the ways of the program into an image,
// and what of it is tested.
func TestPagesOfSystems(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/ci/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("the pages are %v, %v", pages, err)
	}
	for _, page := range pages {
		if filepath.Base(page) == "README.md" { // which leads to the others
			continue
		}
		text := readFile(t, page)
		at := 0
		for _, heading := range []string{"\n## Set-up\n", "\n## Pipeline\n", "\n### What is tested\n", "\n## What its log shows\n", "\n## Results\n"} {
			next := strings.Index(text[at:], heading)
			if next < 0 {
				t.Errorf("%s has no heading %q, or in another order", page, strings.TrimSpace(heading))
				continue
			}
			at += next
		}
		for what, pattern := range map[string]string{
			"tags by rules":    `(tags-from: ci|--tags-from=ci|tags-from, value: ci|tagsFrom: 'ci')`,
			"an image with it": `agent-image/Dockerfile\)`,
			"the rules' page":  `\(\.\./tags\.md`,
		} {
			if !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("%s does not have %s: %s", page, what, pattern)
			}
		}
		if strings.Contains(text, "REPOSITORYsha256") {
			t.Errorf("%s has REPOSITORY and a digest without an @ in between", page)
		}
	}
}
