package solve

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"

	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
)

func TestExplainEmulator(t *testing.T) {
	const exit = `process "/bin/sh -c make" did not complete successfully: exit code: 255`
	const windows = `process "cmd /S /C make" did not complete successfully: exit code: 1`
	const foreign = "exec /bin/sh: exec format error\n"
	for _, tt := range []struct {
		name      string
		steps     []string // from the failed one to what it builds on
		log       string
		message   string
		platforms []string
		want      string
	}{
		{"one platform", []string{"[2/2] RUN make"}, foreign, exit, []string{"linux/riscv64"}, "RUN make: runs for linux/riscv64, and node n has no emulator for it (qemu-riscv64)"},
		{"several, named in the step", []string{"[linux/arm64 build 2/2] RUN make"}, foreign, exit, []string{"linux/amd64", "linux/riscv64", "linux/arm64"}, "RUN make: runs for linux/arm64, and node n has no emulator for it (qemu-aarch64)"},
		{"several, named in a step before", []string{"[build 3/3] RUN make", "[build 2/3] RUN prepare", "[linux/s390x build 1/3] COPY a /"}, foreign, exit, []string{"linux/riscv64", "linux/s390x"}, "RUN make: runs for linux/s390x, and node n has no emulator for it (qemu-s390x)"},
		{"several, named nowhere", []string{"[build 2/2] RUN make"}, foreign, exit, []string{"linux/amd64", "linux/riscv64", "linux/arm/v7"}, "RUN make: runs for linux/riscv64 or linux/arm/v7, and node n has no emulator for it (qemu-riscv64)"},
		{"Windows", []string{"[2/2] RUN make"}, "", windows, []string{"windows/amd64"}, "RUN make: runs for windows/amd64, and node n runs programs for Linux only"},
		{"its own platform, another binary", []string{"[linux/amd64 2/2] RUN make"}, foreign, exit, []string{"linux/amd64", "linux/riscv64"}, ""},
		{"a step that cross-compiles and fails", []string{"[linux/amd64->riscv64 2/2] RUN make"}, "make: failed\n", exit, []string{"linux/riscv64"}, ""},
		{"an emulated step that fails", []string{"[2/2] RUN make"}, "make: failed\n", exit, []string{"linux/riscv64"}, ""},
		{"a program of the step's own", []string{"[2/2] RUN make"}, "/bin/sh: ./tool: Exec format error\n", exit, []string{"linux/riscv64"}, ""},
		{"no step that runs", []string{"[2/2] COPY a /"}, "", `"/a": not found`, []string{"windows/amd64"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFeed(event.Emitter{})
			in := f.start()
			var status client.SolveStatus
			for i, name := range tt.steps {
				v := &client.Vertex{Digest: digest.FromString(name), Name: name}
				if i+1 < len(tt.steps) {
					v.Inputs = []digest.Digest{digest.FromString(tt.steps[i+1])}
				}
				status.Vertexes = append(status.Vertexes, v)
			}
			at := status.Vertexes[0].Digest
			status.Logs = []*client.VertexLog{{Vertex: at, Data: []byte(tt.log)}}
			in <- &status
			close(in)
			failed := sourced(errdefs.WrapVertex(answer(codes.Unknown, tt.message), at))
			err := explainEmulator(failed, f.seen(), job.Job{Node: "n", Platforms: plats(tt.platforms...)}, plats("linux/amd64", "linux/386"))
			var lacking *EmulatorError
			if found := errors.As(err, &lacking); found != (tt.want != "") || found && err.Error() != tt.want {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			if Classify(err) != KindBuild || !strings.Contains(Excerpt(err), "RUN b") {
				t.Errorf("it is %s, with the excerpt %q", Classify(err), Excerpt(err))
			}
			if lacking != nil && !strings.Contains(strings.Join(fault.Hints(err), "\n"), "--platform=$BUILDPLATFORM") {
				t.Errorf("hints %q", fault.Hints(err))
			}
		})
	}
}

// TestPiecesOfALog has the kernel's message in pieces that end anywhere.
func TestPiecesOfALog(t *testing.T) {
	const message = "exec /bin/sh: exec format error\n"
	type piece struct {
		stream int
		data   string
	}
	long := strings.Repeat("x", 10*maxUnfinished)
	tests := map[string]struct {
		pieces []piece
		want   bool
	}{
		"after a line that has begun":   {[]piece{{2, "make: "}, {2, message}}, false},
		"after a line of another piece": {[]piece{{2, "make:"}, {2, " x\n"}, {2, message}}, true},
		"after a long line":             {[]piece{{2, long}, {2, message}, {2, message}}, true},
		"in a long line":                {[]piece{{2, long}, {2, long}, {2, message}}, false},
		"beside the other stream":       {[]piece{{2, "exec /bin/sh: "}, {1, "x"}, {2, "exec format error\n"}}, true},
		"of streams that do not exist":  {[]piece{{-1, "exec /bin/sh: "}, {0, "exec format error\n"}, {99, "x"}}, true},
	}
	for cut := range len(message) {
		tests["cut at "+strconv.Itoa(cut)] = struct {
			pieces []piece
			want   bool
		}{[]piece{{2, "x\n" + message[:cut]}, {2, message[cut:]}}, true}
	}
	at := digest.FromString("a")
	for name, tt := range tests {
		s := &steps{}
		s.note(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: at, Name: "RUN a"}}})
		for _, p := range tt.pieces {
			s.note(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: at, Stream: p.stream, Data: []byte(p.data)}}})
			for _, line := range s.known[at].unfinished {
				if len(line) > maxUnfinished {
					t.Errorf("%s: %d bytes are kept", name, len(line))
				}
			}
		}
		if got := s.known[at].notExecutable; got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Names of steps come from the builder.
func TestPlatformOfAStepThatBuildsOnItself(t *testing.T) {
	a := digest.FromString("a")
	s := &steps{}
	s.note(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: a, Name: "RUN a", Inputs: []digest.Digest{a}}}})
	if got := s.platform(a); got != "" {
		t.Errorf("platform %q", got)
	}
}

// TestForeignPlatforms tests that a processor is not taken for one that it may be able
// to stand in for: many of 64-bit Arm cannot run 32-bit programs.
func TestForeignPlatforms(t *testing.T) {
	if got := foreignPlatforms("linux/arm/v7", nil, plats("linux/arm64")); len(got) != 1 {
		t.Errorf("foreign: %v", got)
	}
	if got := foreignPlatforms("linux/arm64/v8", nil, plats("linux/arm64")); len(got) != 0 {
		t.Errorf("foreign: %v", got)
	}
}
