package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/sshforward"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// SSHServer is the part of a session through which steps reach SSH agents. It
// keeps which ids were asked for in vain: a step whose mount is optional, as it
// is by default, runs without an agent then and fails over a socket that is not
// there, in words that name no id.
type SSHServer struct {
	agents sshforward.SSHServer // nil when none was given
	given  []string

	mu      sync.Mutex
	missing []string
}

// OpenSSH opens the keys and finds the agents of a list, and returns what serves
// them to a daemon.
func OpenSSH(ctx context.Context, list []SSH, files *source.Reader, lookup func(string) (string, bool)) (*SSHServer, fault.UsageList) {
	var mistakes fault.UsageList
	agents := sshAgents(ctx, list, files, lookup, &mistakes)
	server, err := newSSHServer(agents, list)
	if err != nil {
		mistakes.Add(&fault.Usage{Flag: "--ssh", Problem: err.Error()})
	}
	return server, mistakes
}

// newSSHServer serves agents, which may be nil, under the ids of a list.
func newSSHServer(agents session.Attachable, list []SSH) (*SSHServer, error) {
	s := &SSHServer{}
	if agents == nil {
		return s, nil
	}
	inner, ok := agents.(sshforward.SSHServer)
	if !ok {
		return nil, errors.New("BuildKit's provider of SSH agents serves none")
	}
	s.agents = inner
	for _, one := range list {
		s.given = append(s.given, one.ID)
	}
	return s, nil
}

// Register implements session.Attachable.
func (s *SSHServer) Register(server *grpc.Server) { sshforward.RegisterSSHServer(server, s) }

// CheckAgent implements sshforward.SSHServer.
func (s *SSHServer) CheckAgent(ctx context.Context, req *sshforward.CheckAgentRequest) (*sshforward.CheckAgentResponse, error) {
	id := cmp.Or(req.ID, sshforward.DefaultID)
	if slices.Contains(s.given, id) {
		return s.agents.CheckAgent(ctx, req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.missing, id) {
		s.missing = append(s.missing, id)
	}
	// The answer of a client that has no agents at all, for which BuildKit has
	// the better message.
	return nil, status.Errorf(codes.Unimplemented, "no SSH agent %q", id)
}

// ForwardAgent implements sshforward.SSHServer. The daemon asks CheckAgent
// before.
func (s *SSHServer) ForwardAgent(stream sshforward.SSH_ForwardAgentServer) error {
	if s.agents == nil {
		return status.Error(codes.Unimplemented, "no SSH agents")
	}
	return s.agents.ForwardAgent(stream)
}

// Explain adds to the error of a step that failed which SSH agents were missing.
func (s *SSHServer) Explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || len(s.missing) == 0 {
		return err
	}
	return &sshMissingError{err: err, missing: slices.Clone(s.missing), given: s.given}
}

// sshMissingError is a build that failed and had asked for SSH agents that were
// not given.
type sshMissingError struct {
	err            error
	missing, given []string
}

// Error implements error.
func (e *sshMissingError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *sshMissingError) Unwrap() error { return e.err }

// Hints says what to do about the error.
func (e *sshMissingError) Hints() []string {
	hints := make([]string, len(e.missing))
	for i, id := range e.missing {
		hints[i] = fmt.Sprintf("a step asks for the SSH agent %q, which was not given: add --ssh %s", id, id)
		if len(e.given) > 0 {
			hints[i] = fmt.Sprintf("a step asks for the SSH agent %q, and --ssh gives %s: add --ssh %s, or have the step ask for what is given: RUN --mount=type=ssh,id=%s",
				id, strings.Join(e.given, ", "), id, e.given[0])
		}
	}
	return hints
}
