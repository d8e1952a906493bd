package agent

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
)

// Up makes sure that every node of a builder runs and answers.
type Up struct {
	Definition configmap.Definition
	Access     cluster.Access

	Terminal *progress.Terminal
	Mode     progress.Mode
	Log      zerolog.Logger
}

// Run returns when buildkitd of every node has answered, or with the first
// node's reason why it does not.
func (u Up) Run(ctx context.Context) (err error) {
	display, err := progress.Open(ctx, u.Terminal, u.Mode, fmt.Sprintf("starting builder %q", u.Definition.Name))
	if err != nil {
		return classify(ClassUsage, fmt.Errorf("--progress=%s: %w", u.Mode, err))
	}
	defer func() {
		if closeErr := display.Close(); err == nil {
			err = closeErr
		}
	}()
	fleet := newFleet(u.Definition, &connector{access: u.Access, log: u.Log}, display)
	defer fleet.Close()

	group, ctx := errgroup.WithContext(ctx)
	for i, node := range u.Definition.Nodes {
		group.Go(func() error {
			conn, err := fleet.connect(ctx, i)
			if err != nil {
				return err
			}
			step := display.Step("[" + node.Name + "] ready")
			step.Say(fmt.Sprintf("%s: BuildKit %s for %s", conn, conn.Version(), formatAll(claim{declared: node.Platforms, reported: conn.Platforms()}.all())))
			step.Done(nil)
			return nil
		})
	}
	return group.Wait()
}
