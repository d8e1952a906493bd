package scenarios

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSidecarPageNamesScenarios tests that each scenario by which docs/sidecar.md backs what
// it says is there.
func TestSidecarPageNamesScenarios(t *testing.T) {
	t.Parallel()
	page := readFile(t, "../docs/sidecar.md")
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{} // the text of the file, by the name of the test
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(t `).FindAllStringSubmatch(string(text), -1) {
			tests[found[1]] = string(text)
		}
	}
	named := regexp.MustCompile("`(Test\\w+)(?:/(\\w+))?`").FindAllStringSubmatch(page, -1)
	if len(named) < 8 {
		t.Errorf("the page names %d scenarios", len(named))
	}
	for _, name := range named {
		text, there := tests[name[1]]
		if !there || name[2] != "" && !strings.Contains(text, `"`+strings.ReplaceAll(name[2], "_", " ")+`"`) {
			t.Errorf("the page names %s, which is not there", name[0])
		}
	}
}
