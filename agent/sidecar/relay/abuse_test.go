package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// load is what the process holds.
type load struct{ goroutines, files, heap int }

func (l load) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d MiB", l.goroutines, l.files, l.heap>>20)
}

func loadNow() load {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd")
	return load{goroutines: runtime.NumGoroutine(), files: len(files), heap: int(m.HeapAlloc)}
}

// returnsTo waits until the process holds no more than before.
func returnsTo(t *testing.T, before load) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now := loadNow()
		if now.goroutines <= before.goroutines && now.files <= before.files && now.heap <= before.heap+(8<<20) {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("before: %s; after: %s\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// rude is a connection that speaks HTTP/2 by hand.
type rude struct {
	net.Conn
	*http2.Framer
	side *side
}

func newRude(t *testing.T, path string) *rude {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, http2.ClientPreface)
	r := &rude{Conn: conn, Framer: http2.NewFramer(conn, conn), side: newSide()}
	r.AllowIllegalWrites = true
	_ = r.WriteSettings()
	return r
}

// call begins a call; the connection may be closed already.
func (r *rude) call(stream uint32, method string) error {
	block := r.side.compressed(":method", "POST", ":scheme", "http", ":path", method, ":authority", "x", "content-type", "application/grpc", "te", "trailers")
	return r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true})
}

// message begins a message of size bytes, with some of them.
func (r *rude) message(stream uint32, size uint32, some int) error {
	data := append(binary.BigEndian.AppendUint32([]byte{0}, size), make([]byte, some)...)
	for len(data) > 0 {
		n := min(len(data), maxFrame)
		if err := r.WriteData(stream, false, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// closedWithin waits for the relay to close a connection.
func closedWithin(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: not closed within 20 s", what)
	}
	_ = conn.Close()
}

// TestMisbehavingClients tests that clients that misbehave, on connections of their own, are
// of no harm to others, nor to the process: others build meanwhile, memory and goroutines
// are bounded, and nothing is left of them.
func TestMisbehavingClients(t *testing.T) {
	const memory, calls = 32 << 20, 1000
	quiet := Relay{Services: ownServices(tokens{name: "relay"}), FirstCall: 300 * time.Millisecond}
	for name, c := range map[string]struct {
		relay Relay
		abuse func(t *testing.T, path string)
	}{
		"half-open": {quiet, func(t *testing.T, path string) {
			var all []net.Conn
			for range 200 {
				conn, err := net.Dial("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, conn)
			}
			for _, conn := range all {
				closedWithin(t, "a connection that says nothing", conn)
			}
		}},
		"no call": {quiet, func(t *testing.T, path string) {
			var all []*rude
			for range 50 {
				all = append(all, newRude(t, path))
			}
			for _, r := range all {
				closedWithin(t, "a connection without a call", r.Conn)
			}
		}},
		"slow sender": {quiet, func(t *testing.T, path string) {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range []byte(http2.ClientPreface) {
				if _, err := conn.Write([]byte{b}); err != nil {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			closedWithin(t, "a slow sender", conn)
			r := newRude(t, path)
			for _, b := range []byte{0, 0, 4, 8, 0, 0, 0, 0, 0} {
				if _, err := r.Write([]byte{b}); err != nil {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			closedWithin(t, "a slow sender of frames", r.Conn)
		}},
		"garbage": {Relay{}, func(t *testing.T, path string) {
			for i := range 100 {
				conn, err := net.Dial("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				if i%2 == 0 {
					_, _ = io.WriteString(conn, http2.ClientPreface)
				}
				_, _ = conn.Write([]byte(strings.Repeat("GET / HTTP/1.1\r\n\xff\x00", 100)))
				closedWithin(t, "garbage", conn)
			}
		}},
		"message of 1 GiB": {Relay{}, func(t *testing.T, path string) {
			for _, method := range []string{control.Control_Solve_FullMethodName, control.Control_Session_FullMethodName} {
				r := newRude(t, path)
				_ = r.call(1, method)
				_ = r.message(1, 1<<30, 60_000)
				_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
				refused := false
				for !refused {
					f, err := r.ReadFrame()
					if err != nil {
						t.Fatalf("%s: the call has not ended: %v", method, err)
					}
					h, ok := f.(*http2.HeadersFrame)
					refused = ok && h.StreamEnded()
				}
			}
		}},
		"a thousand large messages": {Relay{Limits: NewLimits(memory, calls)}, func(t *testing.T, path string) {
			for range 4 {
				r := newRude(t, path)
				go func() { _, _ = io.Copy(io.Discard, r.Conn) }()
				for i := range 1000 {
					stream := uint32(2*i + 1)
					if r.call(stream, control.Control_Solve_FullMethodName) != nil || r.message(stream, maxMessage, 200_000) != nil {
						break
					}
				}
				closedWithin(t, "a connection that holds too much", r.Conn)
			}
		}},
		"a thousand calls": {Relay{Limits: NewLimits(memory, 100)}, func(t *testing.T, path string) {
			client := connect(t, path)
			var begun sync.WaitGroup
			refused := make(chan struct{}, maxStreams)
			for range maxStreams {
				begun.Go(func() {
					stream, err := control.NewControlClient(client).Session(t.Context())
					if err != nil {
						return
					}
					if _, err = stream.Recv(); status.Code(err) == codes.ResourceExhausted {
						refused <- struct{}{}
					}
				})
			}
			for range maxStreams - 100 {
				within(t, "the refusal of a call", refused)
			}
			_ = client.Close()
			begun.Wait()
		}},
		"slow readers": {Relay{Limits: NewLimits(memory, calls)}, func(t *testing.T, path string) {
			for range 3 {
				r := newRude(t, path)
				for i := range 300 {
					stream := uint32(2*i + 1)
					if r.call(stream, control.Control_Status_FullMethodName) != nil || r.WriteData(stream, true, make([]byte, 5)) != nil {
						break
					}
				}
				time.Sleep(300 * time.Millisecond)
			}
		}},
		"flood of resets": {Relay{Limits: NewLimits(memory, calls)}, func(t *testing.T, path string) {
			r := newRude(t, path)
			go func() { _, _ = io.Copy(io.Discard, r.Conn) }()
			_ = r.SetWriteDeadline(time.Now().Add(3 * time.Second))
			for i := range 20_000 {
				stream := uint32(2*i + 1)
				if r.call(stream, control.Control_ListWorkers_FullMethodName) != nil || r.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
					break
				}
			}
			_ = r.Close()
		}},
		"sessions of something else": {Relay{Services: ownServices(tokens{name: "relay"})}, func(t *testing.T, path string) {
			for range 50 {
				stream, err := control.NewControlClient(connect(t, path)).Session(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_ = stream.Send(&control.BytesMessage{Data: []byte(strings.Repeat("\xff", 100))})
				for err == nil {
					_, err = stream.Recv()
				}
				if status.Code(err) != codes.InvalidArgument {
					t.Fatalf("a session of garbage: %v", err)
				}
			}
		}},
		"sessions that never end": {Relay{Services: ownServices(tokens{name: "relay"}), Limits: NewLimits(memory, calls)}, func(t *testing.T, path string) {
			client := connect(t, path)
			for range 200 {
				if _, err := control.NewControlClient(client).Session(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			_ = client.Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := loadNow()
			t.Run("run", func(t *testing.T) {
				path := socketOf(t, &c.relay, func(ctx context.Context, caller session.Caller) error {
					_, err := auth.NewAuthClient(caller.Conn()).FetchToken(ctx, &auth.FetchTokenRequest{Host: "other.example"})
					return err
				})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					c.abuse(t, path)
				}()
				most, builds := before, 0
				for misbehaving := true; misbehaving; builds++ {
					select {
					case <-ended:
						misbehaving = false
					case <-time.After(10 * time.Millisecond):
					}
					now := loadNow()
					most.goroutines, most.heap = max(most.goroutines, now.goroutines), max(most.heap, now.heap)
					if name == "a thousand calls" && misbehaving {
						continue // all are taken
					}
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					client := connect(t, path)
					err := solveWith(ctx, client, tokens{name: "client"})
					_ = client.Close()
					cancel()
					if err != nil {
						t.Fatalf("a build meanwhile: %v", err)
					}
				}
				t.Logf("%d builds meanwhile; at most %s", builds, most)
				if most.goroutines > 12_000 || most.heap > before.heap+(200<<20) {
					t.Errorf("at most %s", most)
				}
			})
			returnsTo(t, before)
		})
	}
}

// TestConnectionsLeakNothing tests that nothing is left of 200 connections over which builds
// have run.
func TestConnectionsLeakNothing(t *testing.T) {
	run := func(name string, connections int) {
		t.Run(name, func(t *testing.T) {
			path := socketOf(t, &Relay{Services: ownServices(tokens{name: "relay"}), Limits: NewLimits(256<<20, 4096), FirstCall: time.Minute}, func(ctx context.Context, caller session.Caller) error {
				for _, host := range []string{"own.example", "other.example"} {
					if _, err := auth.NewAuthClient(caller.Conn()).FetchToken(ctx, &auth.FetchTokenRequest{Host: host}); err != nil {
						return err
					}
				}
				return nil
			})
			var all sync.WaitGroup
			for range connections {
				all.Go(func() {
					client := connect(t, path)
					for range 2 {
						if err := solveWith(t.Context(), client, tokens{name: "client"}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
	run("few", 5) // what is made once
	before := loadNow()
	run("many", 200)
	returnsTo(t, before)
}
