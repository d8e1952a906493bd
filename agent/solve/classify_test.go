package solve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
)

// answer is an error as it comes from buildkitd.
func answer(code codes.Code, text string) error {
	return fmt.Errorf("failed to solve: %w", grpcerrors.FromGRPC(status.Error(code, text)))
}

// sourced adds the lines of a Dockerfile.
func sourced(err error) error {
	return errdefs.WithSource(err, &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch\nCOPY a /\nRUN b\nRUN c\nRUN d\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 3}}},
	})
}

// damaged is what a buildkitd says that was killed and started again.
const damaged = "failed to prepare buildkit-layer-snapshot-v1-sha256-11 as mwg4: failed to rename: rename /var/lib/buildkit/runc-overlayfs/snapshots/snapshots/new-16 /var/lib/buildkit/runc-overlayfs/snapshots/snapshots/288: file exists"

func TestDamagedStateIsExplained(t *testing.T) {
	keychain := &session.Credentials{}
	err := attached{auth: keychain, files: contextfs.NewServer(nil)}.explain(t.Context(), sourced(answer(codes.Unknown, damaged)))
	hints := fault.Hints(err)
	if len(hints) == 0 || !strings.Contains(hints[0], "state is damaged") {
		t.Errorf("hints %q", hints)
	}
	if len(errdefs.Sources(err)) == 0 {
		t.Error("the lines of the Dockerfile are lost")
	}
}

func TestClassify(t *testing.T) {
	const exit = `process "/bin/sh -c %s" did not complete successfully: exit code: 1`
	tests := []struct {
		name string
		err  error
		want Kind
	}{
		{"usage", fault.UsageList{{Flag: "--x"}}, KindUsage},
		{"wrapped usage", fmt.Errorf("x: %w", &fault.Usage{Flag: "--x"}), KindUsage},
		{"lost", &buildkit.LostError{Err: errors.New("x")}, KindLost},
		{"own cancellation", &buildkit.CancelledError{Cause: errors.New("SIGTERM")}, KindCancelled},
		{"context", context.Canceled, KindCancelled},
		{"command", sourced(answer(codes.Unknown, fmt.Sprintf(exit, "make"))), KindBuild},
		{"command that talks like a registry", answer(codes.Unknown, fmt.Sprintf(exit, "echo failed to push: unexpected status from")), KindBuild},
		{"command that talks like a session", answer(codes.Unknown, fmt.Sprintf(exit, "echo no active session; granting entitlement")), KindBuild},
		{"command cut off by the daemon", answer(codes.Canceled, fmt.Sprintf(exit, "make")+": context canceled"), KindLost},
		{"syntax", sourced(answer(codes.Unknown, "dockerfile parse error on line 2: unknown instruction: RUNN")), KindBuild},
		{"no stage", answer(codes.Unknown, `target stage "nope" could not be found`), KindBuild},
		{"no Dockerfile in git", answer(codes.Unknown, "failed to read dockerfile: open Dockerfile: no such file or directory"), KindBuild},
		{"required secret", sourced(answer(codes.NotFound, "secret s1: not found")), KindBuild},
		{"unavailable", answer(codes.Unavailable, "error reading from server: EOF"), KindLost},
		{"eof", fmt.Errorf("read: %w", io.EOF), KindLost},
		{"dial", fmt.Errorf("x: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), KindLost},
		{"session", answer(codes.Unknown, "no active session for abc: context deadline exceeded"), KindLost},
		{"entitlement", answer(codes.Unknown, "granting entitlement security.insecure is not allowed by build daemon configuration"), KindUsage},
		{"entitlement not asked for", sourced(answer(codes.Unknown, "failed to load LLB: network.host is not allowed")), KindUsage},
		{"policy of the sidecar", answer(codes.PermissionDenied, "slipway agent: policy: exporter image: name \"r.example/a\" is not among push"), KindUsage},
		{"queue of the sidecar", answer(codes.ResourceExhausted, "slipway agent: policy: too many builds wait: at most 2 of this client"), KindBuilder},
		{"timeout of the sidecar", answer(codes.DeadlineExceeded, "slipway agent: policy: the build has taken longer than 1h0m0s, the timeout of the policy"), KindBuild},
		{"command that talks like a policy", answer(codes.Unknown, fmt.Sprintf(exit, "echo slipway agent: policy: x")), KindBuild},
		{"old frontend", answer(codes.Unimplemented, "unsupported frontend capability moby.buildkit.frontend.contexts"), KindUsage},
		{"registry absent", sourced(answer(codes.Unknown, `h.invalid/x:1: failed to resolve source metadata for h.invalid/x:1: failed to do request: Head "https://h.invalid/v2/x/manifests/1": dial tcp: lookup h.invalid: no such host`)), KindRegistry},
		{"registry refuses", sourced(answer(codes.Unknown, "docker.io/a/b:1: failed to resolve source metadata for docker.io/a/b:1: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed")), KindRegistry},
		{"token refused", answer(codes.Unknown, "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://auth/token: 401 Unauthorized"), KindRegistry},
		{"another digest", sourced(answer(codes.Unknown, "failed to compute cache key: failed commit on ref \"layer-sha256:1\": unexpected commit digest sha256:2, expected sha256:1: failed precondition")), KindRegistry},
		{"helper", answer(codes.Unknown, "credential helper docker-credential-x, asked for ghcr.io: exit status 1"), KindRegistry},
		{"image absent", sourced(answer(codes.Unknown, "docker.io/library/nope:1: failed to resolve source metadata for docker.io/library/nope:1: docker.io/library/nope:1: not found")), KindBuild},
		{"a stage misspelt", sourced(answer(codes.Unknown, "biuld: failed to resolve source metadata for docker.io/library/biuld:latest: docker.io/library/biuld:latest: not found (did you mean build?)")), KindBuild},
		{"no such platform", sourced(answer(codes.Unknown, "x: failed to resolve source metadata for x: no match for platform in manifest: not found")), KindBuild},
		{"builder without room", &fault.BuilderFull{Err: sourced(answer(codes.Unknown, "failed to compute cache key: write /var/lib/buildkit/x: no space left on device"))}, KindBuilder},
		{"builder with a damaged state", sourced(answer(codes.Unknown, damaged)), KindBuilder},
		{"command that talks like a damaged state", sourced(answer(codes.Unknown, fmt.Sprintf(exit, "echo failed to prepare a as b: c"))), KindBuild},
		{"command without room", &fault.BuilderFull{Err: sourced(answer(codes.Unknown, fmt.Sprintf(exit, "echo no space left on device")))}, KindBuild},
		{"registry without room", &fault.BuilderFull{Err: answer(codes.Unknown, "failed to push h.example/x:1: unexpected status from PUT request: 500: no space left on device")}, KindRegistry},
		{"registry, asked by the agent", &output.RegistryError{Err: errors.New("denied")}, KindRegistry},
		{"name that the registry's client refuses", &output.RegistryError{Err: fmt.Errorf("tag A:1: %w", &fault.Usage{Flag: "repository"})}, KindRegistry},
		{"internal", answer(codes.Internal, "oops"), KindInternal},
		{"ours", errors.New("disk full"), KindInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Classify(tt.err); got != tt.want {
				t.Errorf("Classify(%v) = %s, want %s", tt.err, got, tt.want)
			}
		})
	}
}

func TestExcerpt(t *testing.T) {
	want := `Dockerfile:3
--------------------
   1 |     FROM scratch
   2 |     COPY a /
   3 | >>> RUN b
   4 |     RUN c
   5 |     RUN d
--------------------
`
	if diff := cmp.Diff(want, Excerpt(fmt.Errorf("x: %w", sourced(errors.New("y"))))); diff != "" {
		t.Errorf("excerpt (-want +got):\n%s", diff)
	}
	if got := Excerpt(errors.New("x")); got != "" {
		t.Errorf("excerpt of an error without a source: %q", got)
	}
	// A line of a Dockerfile makes no line that looks like an error.
	source := errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch\r\nRUN a\rerror: b\r\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
	}
	if got := Excerpt(source.WrapError(errors.New("y"))); strings.Contains(got, "\r") || !strings.Contains(got, ">>> RUN a error: b\n") {
		t.Errorf("excerpt with carriage returns: %q", got)
	}
}
