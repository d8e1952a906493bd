package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	content "github.com/containerd/containerd/api/services/content/v1"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session/filesync"
	"github.com/opencontainers/go-digest"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/slipway-build/slipway/e2e/faults/hostiledaemon"
)

// stall is a builder that stops in the middle of what it does, or never ends
// it. It calls reached when it has come to that.
type stall struct {
	name string
	does func(reached func()) hostiledaemon.Behaviour
	args []string
	// busy says that it goes on sending: nothing but a signal ends it.
	busy bool
	// code is that of the end by Slipway's own bounds, when the daemon is frozen
	// then: 4 where all was sent that another solve would send again.
	code int
}

// stalls are all phases of a build.
func stalls() []stall {
	local, tarball, layout, recorded := []string{"--output", "out"}, []string{"--output", "type=tar,dest=out"}, []string{"--output", "type=oci,tar=false,dest=out"}, []string{"--metadata-file", "meta.json"}
	silent := func(send func(context.Context, *hostiledaemon.Build) error) func(func()) hostiledaemon.Behaviour {
		return func(reached func()) hostiledaemon.Behaviour {
			return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
				if err := send(ctx, b); err != nil {
					return err
				}
				reached()
				return hostiledaemon.Silence(ctx)
			})
		}
	}
	// endless sends without end; it is reached after a while.
	endless := func(open func(context.Context, *hostiledaemon.Build) (func(i int) error, error)) func(func()) hostiledaemon.Behaviour {
		return func(reached func()) hostiledaemon.Behaviour {
			return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
				send, err := open(ctx, b)
				for i := 0; err == nil; i++ {
					if i == 64 {
						reached()
					}
					err = send(i)
				}
				return err
			})
		}
	}
	return []stall{
		{"no answer to the first request", func(reached func()) hostiledaemon.Behaviour {
			return hostiledaemon.Behaviour{Workers: func(ctx context.Context) (*control.ListWorkersResponse, error) {
				reached()
				return nil, hostiledaemon.Silence(ctx)
			}}
		}, local, false, 3},
		{"no session", func(reached func()) hostiledaemon.Behaviour {
			return hostiledaemon.Behaviour{
				Session: func(s control.Control_SessionServer) error { return hostiledaemon.Silence(s.Context()) },
				Solve: func(ctx context.Context, _ *hostiledaemon.Build) (map[string]string, error) {
					reached()
					return nil, hostiledaemon.Silence(ctx)
				},
			}
		}, local, false, 3},
		{"no answer to the solve", silent(func(context.Context, *hostiledaemon.Build) error { return nil }), local, false, 3},
		{"in the middle of the context", silent(func(ctx context.Context, b *hostiledaemon.Build) error {
			stream, err := filesync.NewFileSyncClient(b.Agent).DiffCopy(metadata.AppendToOutgoingContext(ctx, "dir-name", "context"))
			if err != nil {
				return err
			}
			return stream.RecvMsg(&fstypes.Packet{})
		}), local, false, 3},
		{"in the middle of the list of a directory", silent(func(ctx context.Context, b *hostiledaemon.Build) error {
			stream, err := b.Output(ctx, 0, nil)
			return errors.Join(err, stream.List(hostiledaemon.Dir("d").Stat))
		}), local, false, 3},
		{"in the middle of a file of a directory", silent(func(ctx context.Context, b *hostiledaemon.Build) error {
			stream, err := b.Output(ctx, 0, nil)
			if err := errors.Join(err, stream.List(hostiledaemon.File("f", "content").Stat)); err != nil {
				return err
			}
			id, err := stream.Asked()
			return errors.Join(err, stream.Data(id, []byte("con")))
		}), local, false, 3},
		{"at the end of a directory", silent(func(ctx context.Context, b *hostiledaemon.Build) error {
			stream, err := b.Output(ctx, 0, nil)
			if err := errors.Join(err, stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_STAT})); err != nil {
				return err
			}
			if _, err := stream.Asked(); !errors.Is(err, io.EOF) {
				return fmt.Errorf("the agent does not end: %w", err)
			}
			return nil
		}), local, false, 3},
		{"in the middle of a tar", silent(func(ctx context.Context, b *hostiledaemon.Build) error {
			stream, err := b.Output(ctx, 0, nil)
			return errors.Join(err, stream.SendMsg(&filesync.BytesMessage{Data: make([]byte, 1000)}))
		}), tarball, false, 3},
		{"in the middle of an archive that is unpacked", silent(func(ctx context.Context, b *hostiledaemon.Build) error {
			stream, err := b.Output(ctx, 0, nil)
			return errors.Join(err, stream.SendMsg(&filesync.BytesMessage{Data: []byte("blobs/")}))
		}), layout, false, 3},
		{"in the history", func(reached func()) hostiledaemon.Behaviour {
			return hostiledaemon.Behaviour{History: func(_ *control.BuildHistoryRequest, s grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
				reached()
				return hostiledaemon.Silence(s.Context())
			}}
		}, recorded, false, 4},
		{"in the middle of the provenance", func(reached func()) hostiledaemon.Behaviour {
			return provenance(1000, hostiledaemon.Blobs{Size: 1000, Reading: func(s content.Content_ReadServer) error {
				reached()
				return hostiledaemon.Silence(s.Context())
			}})
		}, recorded, false, 4},

		{"a directory without end", endless(func(ctx context.Context, b *hostiledaemon.Build) (func(int) error, error) {
			stream, err := b.Output(ctx, 0, nil)
			return func(i int) error { return stream.List(hostiledaemon.Symlink(fmt.Sprintf("%09d", i), "x").Stat) }, err
		}), local, true, 0},
		{"a file of a directory without end", endless(func(ctx context.Context, b *hostiledaemon.Build) (func(int) error, error) {
			stream, err := b.Output(ctx, 0, nil)
			if err := errors.Join(err, stream.List(hostiledaemon.File("f", "content").Stat)); err != nil {
				return nil, err
			}
			_, err = stream.Asked()
			return func(int) error { return stream.Data(0, make([]byte, 1<<16)) }, err
		}), local, true, 0},
		{"a tar without end", endless(func(ctx context.Context, b *hostiledaemon.Build) (func(int) error, error) {
			stream, err := b.Output(ctx, 0, nil)
			return func(int) error { return stream.SendMsg(&filesync.BytesMessage{Data: make([]byte, 1<<16)}) }, err
		}), tarball, true, 0},
		{"progress without end, after the solve", func(reached func()) hostiledaemon.Behaviour {
			return hostiledaemon.Behaviour{Status: func(_ context.Context, send hostiledaemon.Progress) error {
				for i := 0; ; i++ {
					if i == 64 {
						reached()
					}
					if err := send(steps(step("sha256:a", "a", false))); err != nil {
						return err
					}
				}
			}}
		}, local, true, 0},
		{"a history without end", func(reached func()) hostiledaemon.Behaviour {
			return hostiledaemon.Behaviour{History: func(_ *control.BuildHistoryRequest, s grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
				for i := 0; ; i++ {
					if i == 64 {
						reached()
					}
					if err := s.Send(&control.BuildHistoryEvent{Record: &control.BuildHistoryRecord{Ref: "another"}}); err != nil {
						return err
					}
				}
			}}
		}, recorded, true, 0},
		{"records of the build without end", func(reached func()) hostiledaemon.Behaviour {
			record := []byte(`{"buildDefinition":{}}`)
			send := hostiledaemon.Recorded(digest.FromBytes(record).String(), int64(len(record)))
			return hostiledaemon.Behaviour{
				Content: hostiledaemon.Blobs{Size: int64(len(record)), Content: record},
				History: func(req *control.BuildHistoryRequest, s grpc.ServerStreamingServer[control.BuildHistoryEvent]) error {
					for i := 0; ; i++ {
						if i == 64 {
							reached()
						}
						if err := send(req, s); err != nil {
							return err
						}
					}
				},
			}
		}, recorded, true, 0},
	}
}

// plantStall starts slipway against a builder that stalls, and returns when it
// does.
func plantStall(t *testing.T, s stall, program string) (*victim, *running) {
	t.Helper()
	reached := make(chan struct{})
	var once sync.Once
	v := newVictim(t, plant(t, "builder", s.name), program, s.does(func() { once.Do(func() { close(reached) }) }))
	r := v.start(append([]string{"build", "context"}, s.args...)...)
	select {
	case <-reached:
	case <-r.ended:
		t.Fatalf("it has ended before:\n%s", r.stderr.String())
	case <-time.After(patience):
		t.Fatalf("not reached within %s", patience)
	}
	return v, r
}

// TestFaultBuilderStalls has a builder stop, its connection open, in every phase
// of a build, and send without end. A signal ends the build.
func TestFaultBuilderStalls(t *testing.T) {
	t.Parallel()
	program := buildProduct(t)
	for _, s := range stalls() {
		t.Run(s.name, func(t *testing.T) {
			v, r := plantStall(t, s, program)
			r.signal()
			ended := r.end()
			v.untouched()
			v.f.explained(ended, 143, "cancelled by SIGTERM")
			noCrash(t, ended)
		})
	}
}

// TestFaultBuilderSilence has a builder freeze, its connection open, in every
// phase of a build. Slipway notices, and asks again in vain.
func TestFaultBuilderSilence(t *testing.T) {
	long(t)
	t.Parallel()
	program := buildProduct(t)
	for _, s := range stalls() {
		if s.busy {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // all of it is waiting
			v, r := plantStall(t, s, program)
			v.daemon.Freeze()
			ended := r.end()
			v.untouched()
			v.f.explained(ended, s.code, "error: ")
			noCrash(t, ended)
		})
	}
}

// TestFaultBuilderResets has the session of a build break in every phase, and
// the builder say so as an honest one does.
func TestFaultBuilderResets(t *testing.T) {
	t.Parallel()
	// reset breaks the session after a part of a stream.
	reset := func(part func(context.Context, *hostiledaemon.Build) (grpc.ClientStream, error)) hostiledaemon.Behaviour {
		return sending(func(ctx context.Context, b *hostiledaemon.Build) error {
			if _, err := part(ctx, b); err != nil {
				return err
			}
			b.Reset()
			return errors.New("no active session for x")
		})
	}
	output := func(messages ...any) func(context.Context, *hostiledaemon.Build) (grpc.ClientStream, error) {
		return func(ctx context.Context, b *hostiledaemon.Build) (grpc.ClientStream, error) {
			stream, err := b.Output(ctx, 0, nil)
			for _, m := range messages {
				if err == nil {
					err = stream.SendMsg(m)
				}
			}
			return stream, err
		}
	}
	lost := []string{"lost", "solving again (3 of 3)"}
	tell(t, []lie{
		{"the session breaks before anything", sending(func(_ context.Context, b *hostiledaemon.Build) error {
			b.Reset()
			return errors.New("no active session for x")
		}), []string{"--output", "out"}, 4, lost, nil},
		{"the session breaks in the context", reset(func(ctx context.Context, b *hostiledaemon.Build) (grpc.ClientStream, error) {
			stream, err := filesync.NewFileSyncClient(b.Agent).DiffCopy(metadata.AppendToOutgoingContext(ctx, "dir-name", "context"))
			if err != nil {
				return nil, err
			}
			return stream, stream.RecvMsg(&fstypes.Packet{})
		}), []string{"--output", "out"}, 4, lost, nil},
		{"the session breaks in a directory", reset(output(&fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: hostiledaemon.File("f", "x").Stat})), []string{"--output", "out"}, 4, lost, nil},
		{"the session breaks in a tar", reset(output(&filesync.BytesMessage{Data: make([]byte, 1000)})), []string{"--output", "type=tar,dest=out"}, 4, lost, nil},
		{"the session breaks in an archive", reset(output(&filesync.BytesMessage{Data: make([]byte, 1000)})), []string{"--output", "type=oci,tar=false,dest=out"}, 4, lost, nil},
	})
}
