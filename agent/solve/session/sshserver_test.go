package session

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/session/sshforward"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

func TestMissingSSHAgents(t *testing.T) {
	files := source.New(t.Context(), nil)
	defer func() { _ = files.Close() }()
	_, key := sourcetest.KeyPair(t)
	list := []SSH{{ID: "github", Paths: []string{sourcetest.Pipe(t, []byte(key))}}}
	var found fault.UsageList
	some, err := newSSHServer(sshAgents(t.Context(), list, files, sourcetest.Env(), &found), list)
	if err := errors.Join(err, found.Err()); err != nil {
		t.Fatal(err)
	}
	none, err := newSSHServer(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New(`process "/bin/sh -c git clone" did not complete successfully: exit code: 128`)
	tests := []struct {
		name   string
		server *SSHServer
		asked  []string
		want   []string
	}{
		{"nothing is asked for", some, nil, nil},
		{"what is given", some, []string{"github"}, nil},
		{"another id", some, []string{"", "github", "default"}, []string{`a step asks for the SSH agent "default", and --ssh gives github: add --ssh default, or have the step ask for what is given: RUN --mount=type=ssh,id=github`}},
		{"none is given", none, []string{"a", "b"}, []string{`a step asks for the SSH agent "a", which was not given: add --ssh a`, `a step asks for the SSH agent "b", which was not given: add --ssh b`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, id := range tt.asked {
				_, err := tt.server.CheckAgent(t.Context(), &sshforward.CheckAgentRequest{ID: id})
				if given := id == "github"; given != (err == nil) || err != nil && status.Code(err) != codes.Unimplemented {
					t.Errorf("%s: %v", id, err)
				}
			}
			var hints []string
			err := tt.server.Explain(failed)
			if missing := (*sshMissingError)(nil); errors.As(err, &missing) {
				hints = missing.Hints()
			}
			if diff := cmp.Diff(tt.want, hints); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
			if err.Error() != failed.Error() || !errors.Is(err, failed) {
				t.Errorf("%v", err)
			}
		})
	}
}
