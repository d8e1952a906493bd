package output

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/moby/buildkit/session/filesync"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-build/slipway/internal/fault"
)

// exporterID is the key under which the daemon says which output it sends.
const exporterID = "buildkit-attachable-exporter-id"

// Server is the part of a session that receives the outputs of a solve.
type Server struct {
	outputs receivers
	files   *filesync.SyncTarget // outputs that are one file
	abort   context.CancelCauseFunc
	streams streams

	mu     sync.Mutex
	broken error // the first stream that broke off
}

// Server returns what receives the outputs of the solve from the daemon. It
// calls abort when the agent cannot take one.
func (a *Attempt) Server(abort context.CancelCauseFunc) *Server {
	s := &Server{outputs: a.receivers, files: filesync.NewFSSyncTarget(), abort: abort}
	for id, one := range a.receivers {
		if one.entry.Output != nil {
			s.files.Add(filesync.WithFSSync(id, one.entry.Output))
		}
	}
	return s
}

// Register implements session.Attachable.
func (s *Server) Register(server *grpc.Server) { filesync.RegisterFileSendServer(server, s) }

// DiffCopy implements filesync.FileSendServer. When the agent cannot take an
// output, the solve ends at once: the daemon may wait for ever for a stream
// whose other end has gone.
func (s *Server) DiffCopy(stream filesync.FileSend_DiffCopyServer) error {
	if err := s.streams.begin(); err != nil {
		return err
	}
	defer s.streams.done()
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
		receive = s.files.DiffCopy
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

// End waits for the streams, which end with the session, and returns an error
// when one of them broke off. A daemon that says that all is well has sent all.
func (s *Server) End() error {
	s.streams.end()
	return s.broken
}
