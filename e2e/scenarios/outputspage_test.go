package scenarios

import (
	"regexp"
	"strings"
	"testing"
)

// TestTheCommandsOfTheOutputsPage runs every command of docs/outputs.md, in
// its order, with the testbed's registry in the place of the example's.
func TestTheCommandsOfTheOutputsPage(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	s.write("Dockerfile", `FROM scratch AS by-platform
ARG TARGETARCH
COPY greeting /$TARGETARCH.txt
FROM scratch
COPY greeting /
COPY greeting /reports/
`)
	s.ok("echo hello > greeting")
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readFile(t, "../docs/outputs.md"), -1) {
		for command := range strings.Lines(block[1]) {
			s.ok(strings.ReplaceAll(command, "registry.example", s.repo) + " >&2")
			ran++
		}
	}
	if ran < 20 {
		t.Errorf("the page has %d commands only", ran)
	}
	want(t, "files", s.ok("ls -d */ *.tar *.json image-id"), `a.tar
b.tar
cache/
digest.json
docker.tar
files.tar
files/
flat/
image-id
image.tar
layout/
meta.json
out/
reports/
`)
	want(t, "reports", s.ok("find reports -type f | sort"), "reports/linux_amd64/greeting\nreports/linux_arm64/greeting\n")
	want(t, "flat", s.ok("ls flat"), "amd64.txt\narm64.txt\n")
	for _, tag := range []string{"1", "latest", "2", "3", "4", "5", "6", "7"} {
		if err := s.images.Validate(t.Context(), s.Name+"/app:"+tag); err != nil {
			t.Errorf("app:%s: %v", tag, err)
		}
	}
}
