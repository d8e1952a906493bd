package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

func TestRetryUnreachable(t *testing.T) {
	gone := &kube.Error{Reason: kube.ReasonUnreachable}
	other := &kube.Error{Reason: kube.ReasonForbidden}
	for _, tt := range []struct {
		name  string
		limit time.Duration
		ends  []error // of the attempts
		want  error
		tries int
	}{
		{"comes back", time.Hour, []error{gone, nil}, nil, 2},
		{"does not come back in time", 0, []error{gone, nil}, gone, 1},
		{"comes back with another answer", time.Hour, []error{gone, other}, other, 2},
		{"was never gone", time.Hour, []error{other}, other, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tries, said := 0, ""
			_, err := retryUnreachable(t.Context(), tt.limit, func(line string) { said += line }, func() (int, error) {
				tries++
				return 0, tt.ends[tries-1]
			})
			if !errors.Is(err, tt.want) || tries != tt.tries || strings.Contains(said, "trying again") != (tries > 1) {
				t.Errorf("%v after %d tries, saying %q", err, tries, said)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := retryUnreachable(ctx, time.Hour, func(string) {}, func() (int, error) { cancel(); return 0, gone })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, gone) {
			t.Errorf("%v, want the reason and the end", err)
		}
	})
}
