package registry

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

func TestServiceAccount(t *testing.T) {
	auths := func(key, user string) []byte {
		return []byte(`{"auths":{"` + key + `":{"username":"` + user + `","password":"p"}}}`)
	}
	broken := PullSecret{"ci/broken", []byte(`{"auths":`)}
	tests := []struct {
		name    string
		secrets []PullSecret
		err     error
		want    string
	}{
		{"none", nil, nil, "none"},
		{"one", []PullSecret{{"ci/one", auths("r.example", "u")}}, nil, "u"},
		{"of the old type", []PullSecret{{"ci/one", []byte(`{"r.example":{"username":"u","password":"p"}}`)}}, nil, "u"},
		{"in order", []PullSecret{{"ci/one", auths("r.example", "first")}, {"ci/two", auths("r.example", "second")}}, nil, "first"},
		{"another registry", []PullSecret{{"ci/one", auths("s.example", "u")}}, nil, "none"},
		{"path", []PullSecret{{"ci/one", auths("r.example/other", "o")}, {"ci/two", auths("r.example/team", "t")}}, nil, "t"},
		{"broken before a good one", []PullSecret{broken, {"ci/two", auths("r.example", "u")}}, nil, "u"},
		{"only a broken one", []PullSecret{broken}, nil, "broken: docker config ci/broken:1:9: unexpected end of JSON input"},
		{"no right", nil, &Unavailable{"may not"}, "unavailable: may not"},
		{"no cluster", nil, errors.New("does not answer"), "broken: does not answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			times := 0
			s := ServiceAccount(func(context.Context) ([]PullSecret, error) { times++; return tt.secrets, tt.err })
			for range 2 {
				if got := answer(t, s.Finder, Request{Host: "r.example", Repository: "team/app"}); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			}
			if times != 1 {
				t.Errorf("the cluster was asked %d times", times)
			}
		})
	}
}

// TestServiceAccountAskedInTime is asked again after a request that could not
// wait for the answer.
func TestServiceAccountAskedInTime(t *testing.T) {
	s := ServiceAccount(func(ctx context.Context) ([]PullSecret, error) {
		if _, bounded := ctx.Deadline(); bounded {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return []PullSecret{{"ci/one", []byte(`{"auths":{"r.example":{"username":"u","password":"p"}}}`)}}, nil
	})
	brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Find(brief, Request{Host: "r.example"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("in a request that ends: %v", err)
	}
	if got := answer(t, s.Finder, Request{Host: "r.example"}); got != "u" {
		t.Errorf("in a request with time: %s", got)
	}
	if diff := cmp.Diff([]string{"r.example"}, newChain([]CredentialSource{s}, zerolog.Nop()).Registries(t.Context())); diff != "" {
		t.Error(diff)
	}
}
