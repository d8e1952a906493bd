package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipway-build/slipway/agent/cluster/kube"
)

// TestRetryOnConflict tests how often a write is made and what comes of it. A
// write that ends with a deadline counts as one: client-go's retry returns the
// conflict before it.
func TestRetryOnConflict(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "deployments"}, "d", errors.New("changed"))
	other := errors.New("refused")
	for _, tt := range []struct {
		name   string
		ends   []error // of the tries, the last one for all that follow
		cancel bool    // the context ends with the first try
		want   error   // nil for none
		tries  int
	}{
		{name: "done at once", ends: []error{nil}, tries: 1},
		{name: "done after two conflicts", ends: []error{conflict, conflict, nil}, tries: 3},
		{name: "another error", ends: []error{conflict, other}, want: other, tries: 2},
		{name: "a deadline", ends: []error{fmt.Errorf("put: %w", context.DeadlineExceeded)}, want: context.DeadlineExceeded, tries: 1},
		{name: "a deadline after a conflict", ends: []error{conflict, context.DeadlineExceeded}, want: context.DeadlineExceeded, tries: 2},
		{name: "a conflict, and the context ends", ends: []error{conflict}, cancel: true, want: context.Canceled, tries: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tries := 0
			err := (&workload{}).retryOnConflict(ctx, "update x", func() error {
				end := tt.ends[min(tries, len(tt.ends)-1)]
				tries++
				if tt.cancel {
					cancel()
				}
				return end
			})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("it ends with %v, want %v", err, tt.want)
			}
			if tries != tt.tries {
				t.Errorf("%d tries, want %d", tries, tt.tries)
			}
			if known := (*kube.Error)(nil); errors.As(err, &known) {
				t.Errorf("it gave up: %v", err)
			}
		})
	}
}
