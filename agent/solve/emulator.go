package solve

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
)

// EmulatorError is a step that was to run for a platform that the builder can
// neither run nor emulate. The Dockerfile's lines are those of the error it wraps.
type EmulatorError struct {
	// Step is the instruction, "RUN make".
	Step string
	// Platform is the step's, "linux/riscv64"; several where only the build's are
	// known.
	Platform string
	// Node is the node that was to run it.
	Node string
	// Emulator is the program that would have had to run it, "qemu-riscv64"; empty
	// where there is none, which is every operating system but Linux.
	Emulator string

	err error
}

// Error implements error.
func (e *EmulatorError) Error() string {
	return e.Step + ": " + e.reason()
}

func (e *EmulatorError) reason() string {
	if e.Emulator == "" {
		return fmt.Sprintf("runs for %s, and node %s runs programs for Linux only", e.Platform, e.Node)
	}
	return fmt.Sprintf("runs for %s, and node %s has no emulator for it (%s)", e.Platform, e.Node, e.Emulator)
}

// Unwrap returns the error of the solve.
func (e *EmulatorError) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *EmulatorError) Hints() []string {
	hints := []string{"run the step on the builder's own platform and let it make files for the other: FROM --platform=$BUILDPLATFORM, with ARG TARGETOS TARGETARCH (docs/cross-compiling.md)"}
	if e.Emulator != "" {
		hints = append(hints,
			"or add a node of "+e.Platform+" to the definition",
			"or install emulators where node "+e.Node+" runs: its driver-opt qemu.install=true")
	}
	return hints
}

// explainEmulator explains a failed step that the builder could not run because of
// its platform. native are the platforms that the builder runs or emulates.
func explainEmulator(err error, s *steps, of job.Job, native []ocispecs.Platform) error {
	var failed *errdefs.VertexError
	if !errors.As(err, &failed) {
		return err
	}
	at := digest.Digest(failed.Digest)
	run := s.known[at]
	foreign := foreignPlatforms(s.platform(at), of.Platforms, native)
	if len(foreign) == 0 {
		return err
	}
	lacking := &EmulatorError{Step: instruction(run.name), Node: of.Node, err: err}
	var names []string
	for _, p := range foreign {
		names = append(names, platforms.Format(p))
		if p.OS == "linux" {
			lacking.Emulator = cmp.Or(lacking.Emulator, emulatorOf(p))
		}
	}
	lacking.Platform = strings.Join(names, " or ")
	ran := strings.Contains(err.Error(), `process "`) && strings.Contains(err.Error(), "did not complete successfully")
	if !ran || lacking.Emulator != "" && !run.notExecutable {
		return err
	}
	return lacking
}

// foreignPlatforms are the platforms that a step may run on and the builder cannot:
// the step's own if it is known, else those of the build.
func foreignPlatforms(own string, all, native []ocispecs.Platform) []ocispecs.Platform {
	if p, err := platforms.Parse(own); own != "" && err == nil {
		all = []ocispecs.Platform{platforms.Normalize(p)}
	}
	return slices.DeleteFunc(slices.Clone(all), func(p ocispecs.Platform) bool {
		return slices.ContainsFunc(native, func(n ocispecs.Platform) bool { return platforms.OnlyStrict(n).Match(p) })
	})
}

// instruction is the name of a step without the place that it begins with,
// "[linux/arm64 build 2/3] ".
func instruction(name string) string {
	if strings.HasPrefix(name, "[") {
		if _, rest, found := strings.Cut(name, "] "); found {
			return rest
		}
	}
	return name
}

// emulatorOf is the emulator for programs of a platform, by QEMU's name for it.
func emulatorOf(p ocispecs.Platform) string {
	arch := p.Architecture
	switch arch {
	case "amd64":
		arch = "x86_64"
	case "386":
		arch = "i386"
	case "arm64":
		arch = "aarch64"
	case "loong64":
		arch = "loongarch64"
	case "mips64le":
		arch = "mips64el"
	}
	return "qemu-" + arch
}
