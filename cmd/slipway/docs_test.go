package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated pages of docs instead of comparing with them")

// writeDocs runs slipway docs and returns the directory with its files.
func writeDocs(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	var out, diagnostics bytes.Buffer
	if code := run(append([]string{"docs", dir}, args...), streams{strings.NewReader(""), &out, &diagnostics}); code != 0 {
		t.Fatalf("exit code %d: %s", code, diagnostics.String())
	}
	return dir
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestReferenceOfCommandsIsUpToDate(t *testing.T) {
	dir := writeDocs(t)
	for _, page := range []string{"commands.md", "variables.md"} {
		path := "../../docs/" + page
		got := readText(t, filepath.Join(dir, page))
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(readText(t, path), got); diff != "" {
			t.Errorf("%s is out of date, run go test ./cmd/slipway -run Reference -update (-file +program):\n%s", path, diff)
		}
	}
}

// TestExitCodesOfTheReadme compares the README's table with the program's.
func TestExitCodesOfTheReadme(t *testing.T) {
	table := func(path string) string {
		_, rest, ok := strings.Cut(readText(t, path), "| exit code |")
		if !ok {
			t.Fatalf("%s has no table of exit codes", path)
		}
		rows, _, _ := strings.Cut(rest, "\n\n")
		return strings.TrimSpace(rows)
	}
	if diff := cmp.Diff(table("../../docs/commands.md"), table("../../README.md")); diff != "" {
		t.Errorf("the README has other exit codes than docs/commands.md (-docs +README):\n%s", diff)
	}
}

func TestManPages(t *testing.T) {
	dir := writeDocs(t, "--format=man", "--date=2026-01-31")
	for file, wants := range map[string][]string{
		"slipway.1": {
			`.TH SLIPWAY 1 "2026-01-31" "slipway dev" "User Commands"`,
			`.BR slipway\-build (1)` + "\n", `.B \-D, \-\-debug` + "\n", ".SH EXIT STATUS\n", ".B 130, 143\n",
		},
		"slipway-build.1": {
			`slipway\-build \- Build from a Dockerfile` + "\n", `.B slipway build` + "\n[FLAGS] CONTEXT\n",
			`.B \-t, \-\-tag=REF` + "\n", "Variable: SLIPWAY_PROGRESS, BUILDKIT_PROGRESS.",
		},
		"slipway-index-create.1": {`.B slipway index create`, `.B \-\-[no\-]prefer\-index`},
	} {
		text := readText(t, filepath.Join(dir, file))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q:\n%s", file, want, text)
			}
		}
	}
	for _, absent := range []string{"slipway-docs.1", "commands.md"} {
		if _, err := os.Stat(filepath.Join(dir, absent)); err == nil {
			t.Errorf("%s is written", absent)
		}
	}
	if text := readText(t, filepath.Join(dir, "slipway-build.1")); strings.Contains(text, "squash") {
		t.Error("slipway-build.1 has a flag that is refused")
	}
}

// TestLinksOfTheDocumentation follows the links between the pages, to files and
// to headings.
func TestLinksOfTheDocumentation(t *testing.T) {
	const root = "../.."
	pages, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob(root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(append(append(pages, top...), ciPages(t)...), root+"/charts/slipway/README.md", root+"/"+ciIndex)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fences := regexp.MustCompile("(?s)```.*?```")
	count := 0
	for _, path := range pages {
		text := fences.ReplaceAllString(readText(t, path), "")
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			file, heading, anchored := strings.Cut(found[1], "#")
			if strings.Contains(file, ":") { // elsewhere
				continue
			}
			count++
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, found[1])
			} else if anchored && !slices.Contains(headings(readText(t, target)), heading) {
				t.Errorf("%s links to %s, which has no such heading", path, found[1])
			}
		}
	}
	if count < 100 {
		t.Errorf("there are %d links: the test overlooks some", count)
	}
}

// TestReadmeListsEveryPage tests that each page is found from the first one.
func TestReadmeListsEveryPage(t *testing.T) {
	_, listed, found := strings.Cut(readText(t, "../../README.md"), "\n## Documentation\n")
	if !found {
		t.Fatal("the README has no list of pages")
	}
	listed, _, _ = strings.Cut(listed, "\n## ")
	for _, page := range docPages(t) {
		path := strings.TrimPrefix(page, "../../")
		if n := strings.Count(listed, "]("+path+")"); path != "README.md" && n != 1 {
			t.Errorf("the README lists %s %d times", path, n)
		}
	}
	if n := strings.Count(listed, "]("+ciIndex+")"); n != 1 {
		t.Errorf("the README lists %s %d times", ciIndex, n)
	}
	index := readText(t, "../../"+ciIndex)
	for _, page := range ciPages(t) {
		if n := strings.Count(index, "]("+filepath.Base(page)+")"); n != 1 {
			t.Errorf("%s lists %s %d times", ciIndex, page, n)
		}
	}
}

// headings are the anchors that GitHub gives to the headings of a page.
func headings(page string) []string {
	var anchors []string
	fenced := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if fenced || !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		anchors = append(anchors, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title)))
	}
	return anchors
}
