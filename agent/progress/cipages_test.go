package progress_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPagesHaveTheLogs compares the logs in docs/ci with testdata/log, from which they
// are: a block may leave out lines at both ends.
func TestPagesHaveTheLogs(t *testing.T) {
	for page, log := range map[string]string{
		"github": "github", "gitlab": "gitlab", "azure": "azure", "buildkite": "buildkite", "gitea": "gitea",
		"jenkins": "plain", "tekton": "plain", "argo": "plain", "woodpecker": "plain",
	} {
		file := filepath.Join("../../docs/ci", page+".md")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		golden, err := os.ReadFile(filepath.Join("testdata", "log", log+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		shown := strings.NewReplacer("\x1b", `\e`, "\r", `\r`).Replace(string(golden))
		_, section, ok := strings.Cut(string(text), "\n## What its log shows\n")
		if !ok {
			t.Errorf("%s.md has no section about the log", page)
			continue
		}
		_, block, _ := strings.Cut(section, "```text\n")
		block, _, ok = strings.Cut(block, "\n```\n")
		if *update && ok {
			first, _, _ := strings.Cut(block, "\n")
			last := block[strings.LastIndex(block, "\n")+1:]
			from, to := strings.Index(shown, first), strings.LastIndex(shown, last)
			if from < 0 || to < from {
				t.Fatalf("%s.md: the log has no %q or no %q any more", page, first, last)
			}
			text = []byte(strings.Replace(string(text), block, shown[from:to+len(last)], 1))
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !ok || !strings.Contains(shown, block) {
			t.Errorf("%s.md has a log that is not that of testdata/log/%s.txt:\n%s", page, log, block)
		}
	}
}
