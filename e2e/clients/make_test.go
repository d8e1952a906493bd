package clients

import (
	"os/exec"
	"regexp"
	"testing"
)

// TestMakeHelp tests that make help lists each task that is described.
func TestMakeHelp(t *testing.T) {
	t.Parallel()
	help, err := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", "../..", "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	tasks := regexp.MustCompile(`(?m)^([^\s:#]+):.*## (.*)$`).FindAllStringSubmatch(readFile(t, "../../Makefile"), -1)
	if len(tasks) < 15 {
		t.Fatalf("the Makefile has %d tasks", len(tasks))
	}
	for _, task := range tasks {
		if !regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(task[1]) + ` +` + regexp.QuoteMeta(task[2]) + `$`).Match(help) {
			t.Errorf("make help does not list %s", task[1])
		}
	}
}
