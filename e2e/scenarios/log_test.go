package scenarios

import (
	"strings"
	"testing"
)

// TestLogOfAHostileBuild builds what tries to take over the CI job that builds
// it, and what prints the secret that it was given.
func TestLogOfAHostileBuild(t *testing.T) {
	t.Parallel()
	const secret = "canary-4c1e77b0"
	s := newSharedSpace(t, "amd64")
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", `FROM base
RUN --mount=type=secret,id=token,env=TOKEN \
    printf '1%%\r::error::taken\n##vso[task.setvariable variable=a]b\n'; \
    printf '\033[2J\033]52;c;eA==\007section_start:1:a\r\033[0K--- c\n##v'; printf 'so[d]e\n' >&2; \
    echo "is $TOKEN"; printf %s "$TOKEN" | base64; echo "$TOKEN" | od -An -v -tx1 | tr -d ' \n'; echo; \
    head -c 200000 /dev/zero | tr '\0' x; echo
`)
	build := "TOKEN=" + secret + " slipway build --no-cache --progress plain " + a.base() + "--secret id=token,env=TOKEN . "
	r := a.sh(build)
	if r.code != 0 {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}
	for _, not := range []string{"##vso[", "\x1b", "\r", "\a", "section_start:", "\n::error", "\n--- c", secret, "Y2FuYXJ5LTRjMWU3N2Iw", "63616e6172792d3463316537376230"} {
		if strings.Contains(r.stderr+r.stdout, not) {
			t.Errorf("the log has %q", not)
		}
	}
	for _, want := range []string{"::error::taken", "##vso [task.setvariable", "is ***", "[the line goes on]"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the log lacks %q:\n%s", want, r.stderr)
		}
	}
	for line := range strings.Lines(r.stderr) {
		if len(line) > 70_000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	// Asked for, the output is as it is, and still has no secret.
	r = a.sh(build + "--raw-output")
	if r.code != 0 || !strings.Contains(r.stderr, "##vso[task.setvariable variable=a]b") || strings.Contains(r.stderr, secret) {
		t.Errorf("raw output, exit %d:\n%s", r.code, r.stderr)
	}
}
