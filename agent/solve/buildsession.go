package solve

import (
	"context"
	"fmt"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	sessioncontent "github.com/moby/buildkit/session/content"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
)

// openSession opens the session of a solve in place of BuildKit's client, whose
// own receives directories by itself: why it could not do so, it tells the
// daemon only. What receives the outputs is ended after the session. The
// returned function ends that and returns why it could not be opened.
func openSession(ctx context.Context, cancel context.CancelCauseFunc, c *client.Client, opt *client.SolveOpt, outputs *output.Attempt) (exports *output.Server, end func() error, err error) {
	stores, caches, err := contentStores(*opt)
	if err != nil {
		return nil, nil, err
	}
	// A cancelled solve is ended over its session.
	background := context.WithoutCancel(ctx)
	s, err := session.NewSession(background, opt.SharedKey)
	if err != nil {
		return nil, nil, fmt.Errorf("open a session: %w", err)
	}
	for _, attachable := range opt.Session {
		s.Allow(attachable)
	}
	if len(stores) > 0 {
		s.Allow(sessioncontent.NewAttachable(stores))
	}
	exports = outputs.Server(cancel)
	if len(outputs.Entries()) > 0 {
		s.Allow(exports)
	}
	opt.SharedSession, opt.SessionPreInitialized = s, true
	ended := make(chan error, 1)
	go fault.Protect(func() {
		err := s.Run(background, c.Dialer())
		if err != nil {
			// Nothing but the connection can break it.
			err = &buildkit.LostError{Err: err}
			cancel(err)
		}
		ended <- err
	})()
	return exports, func() error {
		closeQuietly(s)
		err := <-ended
		for _, written := range caches {
			// Why it could not be written explains what else failed.
			if own := written.End(background); own != nil {
				err = own
			}
		}
		return err
	}, nil
}

// contentStores are what the daemon may read and write by digest, under the
// names that BuildKit's client gives them: image layouts and local caches. The
// caches are those of them that are written.
func contentStores(opt client.SolveOpt) (stores map[string]content.Store, caches []*cache.Store, err error) {
	stores = map[string]content.Store{}
	for name, store := range opt.OCIStores {
		stores["oci:"+name] = store
	}
	for _, entry := range opt.CacheImports {
		if dir := entry.Attrs["src"]; entry.Type == cache.TypeLocal {
			// One that cannot be opened is left out of the request.
			if store, err := contentlocal.NewStore(dir); err == nil {
				stores["local:"+dir] = store
			}
		}
	}
	for _, entry := range opt.CacheExports {
		if dir := entry.Attrs["dest"]; entry.Type == cache.TypeLocal {
			store, err := cache.OpenStore(dir)
			if err != nil {
				return nil, nil, err
			}
			stores["local:"+dir], caches = store, append(caches, store)
		}
	}
	return stores, caches, nil
}
