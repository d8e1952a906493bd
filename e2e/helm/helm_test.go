package helm

import (
	"os"
	"strings"
	"testing"
)

func TestVersionsAreThoseOfTheMakefile(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("programs/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range Versions {
		if line := "helm.sh/helm/" + version[:2] + " " + version; !strings.Contains(string(module), line) {
			t.Errorf("the module of the programs does not require %s", line)
		}
	}
	if line := "\nHELM_VERSIONS := " + strings.Join(Versions, " ") + "\n"; !strings.Contains(string(makefile), line) {
		t.Errorf("the Makefile has no line %q", strings.TrimSpace(line))
	}
}
