package solve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/sshforward"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
	"github.com/slipway-build/slipway/agent/solve/contextfs"
	"github.com/slipway-build/slipway/agent/solve/session"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
)

// pullDenied is a message of buildkitd's about a registry.
const pullDenied = "failed to solve: acme/app: failed to resolve source metadata for docker.io/acme/app:latest: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"

// keychain is one that fails for a host, or panics.
type keychain struct{ panics bool }

func (k keychain) Resolve(_ context.Context, r registry.Request) (registry.Credential, error) {
	if k.panics {
		panic("TOPSECRET")
	}
	if r.Host == "broken.example" {
		return registry.Credential{}, errors.New("helper failed")
	}
	return registry.Credential{}, nil
}

// attach returns the parts of a session that has neither files nor SSH agents.
func attach(t *testing.T, k registry.Keychain) attached {
	t.Helper()
	auth, err := session.NewCredentials(k, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ssh, mistakes := session.OpenSSH(t.Context(), nil, nil, func(string) (string, bool) { return "", false })
	if err := mistakes.Err(); err != nil {
		t.Fatal(err)
	}
	return attached{auth: auth, files: &contextfs.Server{}, ssh: ssh}
}

// asRefused is the refusal in err, nil for none.
func asRefused(err error) *session.RefusedError {
	var refused *session.RefusedError
	errors.As(err, &refused)
	return refused
}

// Only what a registry refused is explained: a command may say what it likes.
func TestExplainLeavesOthersAlone(t *testing.T) {
	parts := attach(t, keychain{})
	for name, one := range map[string]error{
		"a command":        answer(codes.Unknown, `process "/bin/sh -c echo failed to push r.example/a:1: 401 Unauthorized" did not complete successfully: exit code: 1`),
		"cancelled":        &buildkit.CancelledError{Cause: context.Canceled},
		"a broken source":  answer(codes.Unknown, "failed to push broken.example/a:1: failed to authorize: 401 Unauthorized"),
		"nothing is known": answer(codes.Unknown, "failed to push r.example/a:1: failed to copy: closed pipe"),
	} {
		if got := parts.explain(t.Context(), one); !errors.Is(got, one) || asRefused(got) != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := parts.explain(t.Context(), nil); got != nil {
		t.Errorf("nil became %v", got)
	}
	// Where the step failed must stay known.
	wrapped := sourced(answer(codes.Unknown, pullDenied))
	if got := parts.explain(t.Context(), fmt.Errorf("x: %w", wrapped)); asRefused(got) == nil || Excerpt(got) == "" {
		t.Errorf("no excerpt of %v", got)
	}
}

// A fault in an answer to the daemon ends the build and says what it is.
func TestExplainsAFaultInAnAnswer(t *testing.T) {
	parts := attach(t, keychain{panics: true})
	if _, err := parts.auth.FetchToken(t.Context(), &auth.FetchTokenRequest{Host: "a.example"}); err == nil {
		t.Fatal("no error")
	}
	var own *fault.Panic
	if explained := parts.explain(t.Context(), errors.New("failed to authorize")); !errors.As(explained, &own) {
		t.Errorf("explained as %v", explained)
	}
}

// Missing SSH agents explain a step that failed, and nothing else.
func TestExplainsMissingSSHAgents(t *testing.T) {
	parts := attach(t, keychain{})
	if _, err := parts.ssh.CheckAgent(t.Context(), &sshforward.CheckAgentRequest{ID: "a"}); status.Code(err) != codes.Unimplemented {
		t.Fatal(err)
	}
	var hinted interface{ Hints() []string }
	failed := errors.New(`process "/bin/sh -c git clone" did not complete successfully: exit code: 128`)
	err := parts.explain(t.Context(), failed)
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hints()[0], "add --ssh a") || err.Error() != failed.Error() || Classify(err) != KindBuild {
		t.Errorf("%v, %s", err, Classify(err))
	}
	lost := &buildkit.LostError{Err: failed}
	if got := parts.explain(t.Context(), lost); !errors.Is(got, lost) || errors.As(got, &hinted) {
		t.Error("an error of the connection was changed")
	}
}

// A daemon's answer is explained to who asked for the solve.
func TestSolveExplainsARefusal(t *testing.T) {
	b := &buildkittest.Server{Workers: 1, Refusal: status.Error(codes.Unknown, pullDenied)}
	err := <-solveOne(t.Context(), t, b, func(*buildkit.Daemon, net.Conn) {})
	if refused := asRefused(err); refused == nil || refused.Target().Repository != "acme/app" {
		t.Errorf("error %v", err)
	}
}
