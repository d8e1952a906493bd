package solve

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/moby/buildkit/session/filesync"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-build/slipway/agent/solve/cache"
	"github.com/slipway-build/slipway/internal/fault"
)

// openSession opens the session of a solve in place of BuildKit's client, whose
// own receives directories by itself: why it could not do so, it tells the
// daemon only. What receives the outputs is ended after the session. The
// returned function ends that and returns why it could not be opened.
func openSession(ctx context.Context, cancel context.CancelCauseFunc, c *client.Client, opt *client.SolveOpt, outputs attempts) (exports *exportServer, end func() error, err error) {
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
	exports = newExportServer(outputs, cancel)
	if len(outputs) > 0 {
		s.Allow(exports)
	}
	opt.SharedSession, opt.SessionPreInitialized = s, true
	ended := make(chan error, 1)
	go fault.Protect(func() {
		err := s.Run(background, c.Dialer())
		if err != nil {
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

// exporterID is the key under which the daemon says which output it sends.
const exporterID = "buildkit-attachable-exporter-id"

// exportServer is the part of a session that receives the outputs of a solve.
type exportServer struct {
	outputs attempts
	streams *filesync.SyncTarget // of those that are one file
	abort   context.CancelCauseFunc

	mu      sync.Mutex
	ended   bool
	running sync.WaitGroup
	broken  error // the first stream that broke off
}

func newExportServer(outputs attempts, abort context.CancelCauseFunc) *exportServer {
	s := &exportServer{outputs: outputs, streams: filesync.NewFSSyncTarget(), abort: abort}
	for id, one := range outputs {
		if one.entry.Output != nil {
			s.streams.Add(filesync.WithFSSync(id, one.entry.Output))
		}
	}
	return s
}

// Register implements session.Attachable.
func (s *exportServer) Register(server *grpc.Server) { filesync.RegisterFileSendServer(server, s) }

// DiffCopy implements filesync.FileSendServer. When the agent cannot take an
// output, the solve ends at once: the daemon may wait for ever for a stream
// whose other end has gone.
func (s *exportServer) DiffCopy(stream filesync.FileSend_DiffCopyServer) error {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return errStreamEnded
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	id := 0
	if values := metadata.ValueFromIncomingContext(stream.Context(), exporterID); len(values) > 0 {
		if n, err := strconv.Atoi(values[0]); err == nil {
			id = n
		}
	}
	if id < 0 || id >= len(s.outputs) {
		return fmt.Errorf("there is no output %d", id)
	}
	receive := s.outputs[id].receive
	if receive == nil {
		receive = s.streams.DiffCopy
	}
	err := receive(stream)
	if err != nil {
		if own := s.outputs[id].failed(); own != nil {
			s.abort(own)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.broken == nil {
			s.broken = &fault.Builder{What: fmt.Sprintf("output type=%s has not been sent whole, and the builder says that it has", s.outputs[id].entry.Type), Err: err}
		}
	}
	return err
}

// end waits for the streams, which end with the session, and returns an error
// when one of them broke off. A daemon that says that all is well has sent all.
func (s *exportServer) end() error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.running.Wait()
	return s.broken
}

// exportsOf are the entries without what receives them, which is the session.
func exportsOf(entries []client.ExportEntry) []client.ExportEntry {
	out := make([]client.ExportEntry, len(entries))
	for i, e := range entries {
		out[i] = client.ExportEntry{Type: e.Type, Attrs: maps.Clone(e.Attrs)}
	}
	return out
}
