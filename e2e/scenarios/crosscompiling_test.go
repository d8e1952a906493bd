package scenarios

import (
	"regexp"
	"strings"
	"testing"
)

// TestTheCommandsOfTheCrossCompilingPage runs every command of
// docs/cross-compiling.md with a Dockerfile of the page's form, whose compiler is
// the shell of the testbed's base image. Two nodes claim a platform each.
func TestTheCommandsOfTheCrossCompilingPage(t *testing.T) {
	t.Parallel()
	s := newSharedShop(t)
	s.write("Dockerfile", `FROM --platform=$BUILDPLATFORM base AS build
ARG TARGETOS TARGETARCH
RUN mkdir /out && echo "$(uname -m) for $TARGETOS/$TARGETARCH" > /out/app
FROM scratch
COPY --from=build /out/ /
`)
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readFile(t, "../docs/cross-compiling.md"), -1) {
		for command := range strings.Lines(block[1]) {
			command = strings.ReplaceAll(strings.TrimSpace(command), "registry.example", s.repo)
			s.ok(strings.Replace(command, "slipway build ", "slipway build "+s.base(), 1) + " >&2")
			ran++
		}
	}
	if ran < 3 {
		t.Errorf("the page has %d commands only", ran)
	}
	want(t, "files", s.ok("cd out && cat linux_amd64/app linux_riscv64/app windows_amd64/app darwin_arm64/app && ls"),
		"x86_64 for linux/amd64\nx86_64 for linux/riscv64\nx86_64 for windows/amd64\nx86_64 for darwin/arm64\n"+
			"darwin_arm64\nlinux_amd64\nlinux_riscv64\nwindows_amd64\n")
	// One node has made two of the three, and all are of one index.
	if err := s.images.Validate(t.Context(), s.Name+"/app:1"); err != nil {
		t.Error(err)
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/riscv64"} {
		if _, err := s.images.Image(t.Context(), s.Name+"/app:1", platform); err != nil {
			t.Errorf("%s: %v", platform, err)
		}
	}

	// What runs for a platform without an emulator: the kernel takes its shell for
	// no program, as it does with one of another architecture.
	s.write("foreign", "no program")
	s.write("Foreign.dockerfile", "FROM scratch\nCOPY --chmod=755 foreign /bin/sh\nRUN make\n")
	const foreign = "slipway build -f Foreign.dockerfile --output nothing "
	s.fails(1, foreign+"--platform linux/riscv64 .",
		"error: RUN make (Foreign.dockerfile:3): runs for linux/riscv64, and node builder-amd64 has no emulator for it (qemu-riscv64)",
		">>> RUN make", "hint: ", "qemu.install=true")
	s.fails(2, foreign+"--platform linux/riscv64 --strict-platforms .",
		`error: no node of builder "kube" builds for linux/riscv64`, "hint: node builder-amd64 builds for linux/amd64")
	s.ok("test ! -e nothing")
}
