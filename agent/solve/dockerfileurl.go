package solve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// maxDockerfile bounds a Dockerfile that is no file on the agent, as buildx does
// for one from a URL.
const maxDockerfile = 2 << 20

// fetchDockerfile lets the daemon fetch a Dockerfile, because the agent may
// not reach what the builder reaches, and returns a directory with it.
func fetchDockerfile(ctx context.Context, daemon *client.Client, url string, feed *feed) (fsutil.FS, error) {
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
		return nil, fmt.Errorf("fetch the Dockerfile %s: %w", redact(url), err)
	}
	return dockerfileDir(data), nil
}

// dockerfileDir is a directory with a Dockerfile. Its time is a function of the
// content, for the builder keeps the file of the build before and compares
// times and sizes.
func dockerfileDir(data []byte) fsutil.FS {
	dir := staticfs.NewFS()
	dir.Add(defaultDockerfile, &fstypes.Stat{
		Mode: 0o644, Path: defaultDockerfile, Size: int64(len(data)), ModTime: contentTime(sha256.Sum256(data), nil),
	}, data)
	return dir
}
