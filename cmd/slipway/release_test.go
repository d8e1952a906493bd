package main

import (
	"regexp"
	"strings"
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

// TestChartFollowsTheRelease compares the versions of the chart with those of the
// changelog. The templates pass flags to the image of appVersion, so that is the
// release that is being made and none from before.
func TestChartFollowsTheRelease(t *testing.T) {
	chart, changelog := readText(t, "../../charts/slipway/Chart.yaml"), readText(t, "../../CHANGELOG.md")
	field := func(text, pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("there is no %s", pattern)
		}
		return found[1]
	}
	if of, said := field(chart, `(?m)^version: (\S+)$`), field(changelog, `(?m)^With chart (\S+)\.$`); of != said {
		t.Errorf("the chart's version is %s, and that of the newest section of CHANGELOG.md %s", of, said)
	}
	app := field(chart, `(?m)^appVersion: (\S+)$`)
	newest, _, _ := strings.Cut(field(changelog, `(?m)^## (.+)$`), " - ")
	if newest != "Unreleased" {
		if app != newest {
			t.Errorf("appVersion is %s, and the release %s", app, newest)
		}
		return
	}
	for _, released := range regexp.MustCompile(`(?m)^## (\d\S*) - `).FindAllStringSubmatch(changelog, -1) {
		if released[1] == app {
			t.Errorf("appVersion is %s, which is released: it is to be the next one", app)
		}
	}
}
