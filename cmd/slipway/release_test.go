package main

import (
	"regexp"
	"testing"
)

// TestImageIsBuiltAsARelease compares the flags of the Dockerfile with those of
// the Makefile: with other ones the image would hold another binary than the
// release.
func TestImageIsBuiltAsARelease(t *testing.T) {
	makefile, dockerfile := readText(t, "../../Makefile"), readText(t, "../../Dockerfile")
	for _, tt := range []struct{ name, makefile, dockerfile string }{
		{"GOFLAGS", `(?m)^export GOFLAGS := \$\(GOFLAGS\) (.+)$`, `GOFLAGS="([^"]+)"`},
		{"ldflags", `(?m)^LDFLAGS = (.+)$`, `-ldflags "([^"]+)"`},
	} {
		want := regexp.MustCompile(tt.makefile).FindStringSubmatch(makefile)
		got := regexp.MustCompile(tt.dockerfile).FindStringSubmatch(dockerfile)
		if want == nil || got == nil {
			t.Errorf("the Makefile or the Dockerfile has no %s", tt.name)
			continue
		}
		// A variable is $(X) in one and $X in the other.
		flags := regexp.MustCompile(`\$\((\w+)\)`).ReplaceAllString(want[1], "$$$1")
		if got[1] != flags {
			t.Errorf("%s of the Dockerfile are %q, of the Makefile %q", tt.name, got[1], flags)
		}
	}
}
