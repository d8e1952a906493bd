package ociplatform

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for name, want := range map[string]string{
		"linux/amd64": "", "linux/arm/v7": "", "windows/amd64": "", "darwin/arm64": "", "wasi/wasm": "", "wasi/wasm32": "", "linux/loong64": "", "linux/sparc64": "",
		"linux/amd46":  `"amd46" is not a known architecture; did you mean linux/amd64?`,
		"linux/arm46":  `"arm46" is not a known architecture; did you mean linux/arm64?`,
		"lunix/arm64":  `"lunix" is not a known operating system; did you mean linux/arm64?`,
		"linx/adm64":   `"linx" is not a known operating system; `,
		"amd64/linux":  `"amd64" is not a known operating system; did you mean linux/amd64?`,
		"linux/x":      `"x" is not a known architecture; `,
		"linux/v7":     `"v7" is not a known architecture; `,
		"foo/bar":      `"foo" is not a known operating system; `,
		"linux/linux":  `"linux" is not a known architecture; `,
		"linux/riscv":  "", // containerd's
		"amd64":        "",
		"linux":        "",
		"amd46":        `unknown operating system or architecture; did you mean linux/amd64?`,
		"lunix":        `unknown operating system or architecture; did you mean linux/amd64?`,
		"x/y/z/a":      `cannot parse platform specifier; `,
		"linux/risc64": `"risc64" is not a known architecture; did you mean linux/riscv64?`,
	} {
		_, problem, hint := Parse(name)
		if got := strings.Trim(problem+"; "+hint, ";"); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
