package solve

import (
	"fmt"
	"strings"
	"testing"
)

func TestCheckTarget(t *testing.T) {
	const two = "ARG V=1\nFROM base:$V AS Build\nRUN <<EOF\nFROM x AS inner\nEOF\nfrom scratch as final\n"
	var many strings.Builder
	for i := range maxStages + 2 {
		fmt.Fprintf(&many, "FROM scratch AS s%d\n", i)
	}
	for _, tt := range []struct {
		name, dockerfile, target string
		args                     map[string]string
		fails                    bool
		hint                     string
	}{
		{name: "none asked for", dockerfile: two},
		{name: "one of them", dockerfile: two, target: "final"},
		{name: "in another case", dockerfile: two, target: "BUILD"},
		{name: "by number", dockerfile: two, target: "1"},
		{name: "a number too high", dockerfile: two, target: "2", fails: true, hint: "its stages are build, final"},
		{name: "a typo", dockerfile: two, target: "biuld", fails: true, hint: `did you mean "build"? its stages are build, final`},
		{name: "in a heredoc", dockerfile: two, target: "inner", fails: true, hint: "its stages are build, final"},
		{name: "no names", dockerfile: "FROM scratch\n", target: "x", fails: true, hint: "its stages have no names: FROM IMAGE AS NAME gives one"},
		{name: "many", dockerfile: many.String(), target: "none", fails: true, hint: " s19 and 2 more"},
		{name: "Docker's frontend", dockerfile: "# syntax=docker/dockerfile:1\n" + two, target: "x", fails: true, hint: "its stages are build, final"},
		{name: "another frontend", dockerfile: "# syntax=acme/frontend\n" + two, target: "x"},
		{name: "another frontend by an argument", dockerfile: two, target: "x", args: attrs(argSyntax, "acme/frontend x")},
		{name: "no Dockerfile", dockerfile: "apiVersion: v1\n", target: "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, attrs("Dockerfile", tt.dockerfile))
			in := inputs{Attrs: attrs(attrFilename, "Dockerfile"), Mounts: attrs(mountDockerfile, dir)}
			err := checkTarget(Request{Target: tt.target, BuildArgs: tt.args}, in)
			switch {
			case err == nil && tt.fails:
				t.Error("no error")
			case err != nil && (!tt.fails || !strings.HasSuffix(err.Hint, tt.hint)):
				t.Errorf("%v, hint %q", err, err.Hint)
			}
			if err := checkTarget(Request{Target: tt.target}, inputs{}); err != nil {
				t.Errorf("of a Dockerfile elsewhere: %v", err)
			}
		})
	}
}
