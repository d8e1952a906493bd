package solve

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
	"github.com/slipway-build/slipway/agent/event"
	"github.com/slipway-build/slipway/agent/solve/job"
)

// solveOne starts a solve that does not end by itself.
func solveOne(ctx context.Context, t *testing.T, b *buildkittest.Server, tune func(*buildkit.Daemon, net.Conn)) <-chan error {
	t.Helper()
	dial, _ := buildkittest.Serve(t, b)
	var conn net.Conn
	d, err := buildkit.Connect(ctx, func(ctx context.Context) (net.Conn, error) {
		var err error
		conn, err = dial(ctx)
		return conn, err
	})
	if err != nil {
		t.Fatal(err)
	}
	tune(d, conn)
	dir := t.TempDir()
	write(t, dir, attrs("Dockerfile", "FROM scratch"))
	p, err := Prepare(ctx, Request{Context: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closing := d.Close()
		if errors.Is(closing, net.ErrClosed) {
			closing = nil // by the test
		}
		if err := errors.Join(p.Close(), closing); err != nil {
			t.Error(err)
		}
	})
	stream := event.NewStream()
	var last time.Time // only the consumer and what follows its end use it
	sub := stream.Subscribe("test", consume(func(e event.Event) error {
		last = e.Time
		return nil
	}))
	failed := make(chan error, 1)
	go func() {
		_, err := p.Solve(ctx, d, job.Job{Single: true}, stream.Emitter())
		ended := time.Now()
		err = errors.Join(err, sub.End())
		if last.After(ended) {
			t.Error("an event after the end")
		}
		failed <- err
	}()
	return failed
}

func TestSolveCancelled(t *testing.T) {
	for _, name := range []string{"daemon obeys", "daemon does not"} {
		t.Run(name, func(t *testing.T) {
			b := &buildkittest.Server{Workers: 1}
			ctx, cancel := context.WithCancelCause(t.Context())
			failed := solveOne(ctx, t, b, func(d *buildkit.Daemon, _ net.Conn) { d.CancelGrace = 50 * time.Millisecond })
			<-b.Started
			b.Mute.Store(name == "daemon does not")
			reason := errors.New("terminated by signal")
			cancel(reason)
			select {
			case err := <-failed:
				if Classify(err) != KindCancelled || !errors.Is(err, reason) {
					t.Errorf("error %v is %s, want cancelled for %v", err, Classify(err), reason)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("Solve did not return")
			}
		})
	}
}

func TestSolveSilentDaemon(t *testing.T) {
	b := &buildkittest.Server{Workers: 1}
	failed := solveOne(t.Context(), t, b, func(d *buildkit.Daemon, _ net.Conn) {
		d.MaxSilence, d.CancelGrace = 300*time.Millisecond, 50*time.Millisecond
	})
	<-b.Started
	select {
	case err := <-failed:
		if Classify(err) != KindLost || !strings.Contains(err.Error(), "silent") {
			t.Errorf("error %v is %s, want lost", err, Classify(err))
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Solve did not return")
	}
}

// TestSolveOnABrokenConnection has a daemon that went away after it was chosen.
func TestSolveOnABrokenConnection(t *testing.T) {
	b := &buildkittest.Server{Workers: 1}
	failed := solveOne(t.Context(), t, b, func(_ *buildkit.Daemon, conn net.Conn) {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case err := <-failed:
		if Classify(err) != KindLost {
			t.Errorf("error %v is %s, want lost", err, Classify(err))
		}
	case <-time.After(time.Minute):
		t.Fatal("Solve did not return")
	}
}

// publish is the end of a build whose solves have all succeeded.
func publish(t *testing.T, p *Plan) error {
	t.Helper()
	if err := p.Seal(t.Context()); err != nil {
		return err
	}
	_, err := p.Commit(t.Context())
	return err
}
