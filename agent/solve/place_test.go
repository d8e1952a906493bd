package solve

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/slipway-build/slipway/agent/event"
)

// at is an error about lines of a Dockerfile.
func at(message, dockerfile string, first, last int32) error {
	return fmt.Errorf("failed to solve: %w", errdefs.WithSource(errors.New(message), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "build/Dockerfile", Data: []byte(dockerfile)},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: first}, End: &pb.Position{Line: last}}},
	}))
}

func TestFailure(t *testing.T) {
	const exit = `process "/bin/sh -c exit 7" did not complete successfully: exit code: 7`
	long := "RUN " + strings.Repeat("x", 200)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a command", at(exit, "FROM x\nRUN exit 7\n", 2, 2), "RUN exit 7 (build/Dockerfile:2): exit code: 7"},
		{"a command that speaks of success", at(`process "/bin/sh -c echo did not complete successfully: exit code: 1" did not complete successfully: exit code: 7`, "RUN x", 1, 1), "RUN x (build/Dockerfile:1): exit code: 7"},
		{"a command of several lines", at(exit, "  RUN make && \\\r\n    exit 7\r\n", 1, 2), "RUN make && ... (build/Dockerfile:1): exit code: 7"},
		{"a heredoc", at(exit, "RUN <<EOF\nexit 7\nEOF\n", 1, 3), "RUN <<EOF ... (build/Dockerfile:1): exit code: 7"},
		{"a long command", at(exit, long, 1, 1), long[:80] + " ... (build/Dockerfile:1): exit code: 7"},
		{"a carriage return in it", at(exit, "RUN a\rerror: b", 1, 1), "RUN a error: b (build/Dockerfile:1): exit code: 7"},
		{"a file", at(`"/none": not found`, "COPY none /", 1, 1), `COPY none / (build/Dockerfile:1): "/none": not found`},
		{"a file that is known to be missing", &MissingSourceError{Instruction: "COPY", Path: "none", From: "the build context .", err: at(`"/none": not found`, "COPY none /", 1, 1)}, "COPY none / (build/Dockerfile:1): none is not in the build context ."},
		{"an emulator that is missing", &EmulatorError{Step: "RUN make", Platform: "linux/riscv64", Node: "n", Emulator: "qemu-riscv64", err: at(exit, "RUN make", 1, 1)}, "RUN make (build/Dockerfile:1): runs for linux/riscv64, and node n has no emulator for it (qemu-riscv64)"},
		{"no such line", at(exit, "RUN x", 7, 7), exit},
		{"no line", errors.New("failed to solve: " + exit), exit},
		{"a range without an end", errdefs.WithSource(errors.New(exit), &errdefs.Source{Info: &pb.SourceInfo{Filename: "D", Data: []byte("RUN x")}, Ranges: []*pb.Range{{Start: &pb.Position{Line: 1}}}}), "RUN x (D:1): exit code: 7"},
		{"a range without a beginning", errdefs.WithSource(errors.New(exit), &errdefs.Source{Info: &pb.SourceInfo{Filename: "D", Data: []byte("RUN x")}, Ranges: []*pb.Range{{}}}), exit},
		{"a source without a file", errdefs.WithSource(errors.New(exit), &errdefs.Source{Ranges: []*pb.Range{{}}}), exit},
	} {
		if got := Failure(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestFailedStep has a step that fails and those that are cancelled with it.
func TestFailedStep(t *testing.T) {
	own := errors.New("exit code: 7")
	vertex := func(name, failure string) *client.SolveStatus {
		return &client.SolveStatus{Vertexes: []*client.Vertex{{Digest: "sha256:x", Name: name, Error: failure}}}
	}
	for _, tt := range []struct {
		name    string
		reports []*client.SolveStatus
		want    string
	}{
		{"none", []*client.SolveStatus{vertex("[1/2] FROM x", "")}, ""},
		{"one", []*client.SolveStatus{
			vertex("[1/2] FROM x", ""), vertex("[2/2] COPY x", "lease: context canceled"), vertex("[linux/arm64 2/2] RUN x", "exit code: 7"), vertex("exporting", "exit code: 7"),
		}, "[linux/arm64 2/2] RUN x"},
	} {
		f := newFeed(event.Emitter{})
		in := f.start()
		for _, s := range tt.reports {
			in <- s
		}
		close(in)
		err := f.located(own)
		if got := FailedStep(err); got != tt.want || !errors.Is(err, own) || err.Error() != own.Error() {
			t.Errorf("%s: step %q of error %v, want %q", tt.name, got, err, tt.want)
		}
		if err := f.located(nil); err != nil {
			t.Errorf("%s: a solve that has succeeded has the error %v", tt.name, err)
		}
		f.close()
	}
}
