package solve

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/slipway-build/slipway/agent/solve/contextfs"
)

// maxDockerfile bounds a Dockerfile that is no file on the agent, as buildx does
// for one from a URL.
const maxDockerfile = 2 << 20

// fetchDockerfile lets the daemon fetch a Dockerfile, because the agent may
// not reach what the builder reaches, and returns a directory with it.
func fetchDockerfile(ctx context.Context, daemon *client.Client, url string, feed *feed) (contextfs.Mount, error) {
	var data []byte
	_, err := daemon.Build(ctx, client.SolveOpt{Internal: true}, "slipway", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		def, err := llb.HTTP(url, llb.Filename(defaultDockerfile), llb.WithCustomName("[internal] load "+redact(url))).Marshal(ctx)
		if err != nil {
			return nil, err
		}
		result, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()})
		if err != nil {
			return nil, err
		}
		ref, err := result.SingleRef()
		if err != nil {
			return nil, err
		}
		stat, err := ref.StatFile(ctx, gateway.StatRequest{Path: defaultDockerfile})
		if err != nil {
			return nil, err
		}
		if stat.Size > maxDockerfile {
			return nil, errors.New("it is larger than 2 MiB")
		}
		data, err = ref.ReadFile(ctx, gateway.ReadRequest{Filename: defaultDockerfile})
		return nil, err
	}, feed.start())
	if err != nil {
		return contextfs.Mount{}, fmt.Errorf("fetch the Dockerfile %s: %w", redact(url), err)
	}
	return contextfs.OneFile(defaultDockerfile, data), nil
}
