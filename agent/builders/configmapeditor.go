package builders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/internal/fault"
)

// ConfigMapEditor writes definitions into a ConfigMap of the cluster.
type ConfigMapEditor struct {
	Access cluster.Access
	// Namespace is the identity's when it is empty.
	Namespace string
	Name      string
	// Timeout bounds the whole change; zero is no bound.
	Timeout time.Duration
	Log     zerolog.Logger
}

// Run changes one key of the ConfigMap, or makes it, and leaves all else in it
// alone. edit gets the text of all keys and may be called several times; its
// own errors come back as they are.
func (e ConfigMapEditor) Run(ctx context.Context, edit func(data map[string]string) (key, text string, err error)) error {
	client, err := kube.Connect(e.Access.Access, "", e.Log)
	if err != nil {
		return fault.With(fleet.ClassOf(err), err)
	}
	limited, cancel := within(ctx, e.Timeout)
	defer cancel()
	var refused error
	err = client.EditConfigMap(limited, e.Namespace, e.Name, func(data map[string]string) (string, string, error) {
		key, text, err := edit(data)
		refused = err
		return key, text, err
	})
	if refused != nil {
		return refused
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("no answer from the API server within %s: %w", e.Timeout, err)
	}
	return fault.With(fleet.ClassOf(err), err)
}
