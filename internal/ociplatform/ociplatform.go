// Package ociplatform reads platforms as users write them, and finds typos that containerd
// takes for platforms.
package ociplatform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/suggest"
)

// What Go and BuildKit build for. containerd takes any two words for a platform.
var (
	knownSystems = []string{
		"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "illumos", "aix",
		"android", "ios", "js", "plan9", "wasi", "wasip1",
	}
	knownArchitectures = []string{
		"amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "s390x", "loong64", "ppc64", "mips", "mipsle", "mips64", "mips64le", "wasm", "wasm32",
	}
)

// Parse parses OS/ARCH[/VARIANT], or a word of it alone, which stands for this
// machine's other one. The platform is normalized. What is wrong with the text is the
// problem, empty for nothing; the hint may be empty.
func Parse(text string) (p ocispecs.Platform, problem, hint string) {
	p, err := platforms.Parse(text)
	if err != nil {
		switch near := suggest.Nearest(text, slices.Concat(knownArchitectures, knownSystems)); {
		case near == "":
		case slices.Contains(knownArchitectures, near):
			hint = "did you mean linux/" + near + "?"
		default:
			hint = "did you mean " + near + "/amd64?"
		}
		// Without the text, and the class that containerd's errors end with.
		problem = strings.TrimSuffix(strings.TrimPrefix(err.Error(), fmt.Sprintf("%q: ", text)), ": invalid argument")
		return ocispecs.Platform{}, problem, hint
	}
	p = platforms.Normalize(p)
	problem, hint = Check(p)
	return p, problem, hint
}

// Check finds words that are no operating system or no architecture: a typo would else
// be built for on a node that does not claim it, and be found by whoever pulls the
// image. What is wrong is the problem, empty for nothing; the hint may be empty. The
// platform is a normalized one.
func Check(p ocispecs.Platform) (problem, hint string) {
	// containerd knows more, such as older architectures, in one list.
	known := func(word string, list, other []string) bool {
		_, err := platforms.Parse(word)
		return slices.Contains(list, word) || err == nil && !slices.Contains(other, word)
	}
	meant := p
	if !known(p.OS, knownSystems, knownArchitectures) {
		problem = fmt.Sprintf("%q is not a known operating system", p.OS)
		meant.OS = suggest.Nearest(p.OS, knownSystems)
	}
	if !known(p.Architecture, knownArchitectures, knownSystems) {
		if problem == "" {
			problem = fmt.Sprintf("%q is not a known architecture", p.Architecture)
		}
		meant.Architecture = suggest.Nearest(p.Architecture, knownArchitectures)
	}
	if p.OS == meant.OS && p.Architecture == meant.Architecture {
		return "", ""
	}
	if slices.Contains(knownArchitectures, p.OS) && slices.Contains(knownSystems, p.Architecture) {
		return problem, fmt.Sprintf("did you mean %s/%s?", p.Architecture, p.OS)
	}
	if meant.OS == "" || meant.Architecture == "" || p.OS != meant.OS && p.Architecture != meant.Architecture {
		return problem, ""
	}
	return problem, fmt.Sprintf("did you mean %s?", platforms.Format(meant))
}
