package contextfs

import (
	"path/filepath"
	"testing"
)

func TestExcludes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, attrs(".dockerignore", "\ufeff# comment\n\nsecret*\n !secret.pub \nconf/*.yaml\n**/node_modules\n/out/\n[\n*.log\n!keep\n"))
	for path, want := range map[string]IgnoreRule{
		"secret.txt":          {3, "secret*"},
		"secret.pub":          {},
		"secret.d/a":          {3, "secret*"},
		"conf/app.yaml":       {5, "conf/*.yaml"},
		"conf":                {},
		"a/b/node_modules/c":  {6, "**/node_modules"},
		"out/a":               {7, "/out/"},
		"a.log":               {9, "*.log"},
		"keep/a.log":          {},
		"nothing/of/the/sort": {},
	} {
		rule, found := Excludes(filepath.Join(dir, ".dockerignore"), path)
		if found != (want.Line > 0) || found && rule != want {
			t.Errorf("%s: %+v, %t", path, rule, found)
		}
	}
	if _, found := Excludes(filepath.Join(dir, "none"), "a"); found {
		t.Error("a file that is not there excludes something")
	}
}
