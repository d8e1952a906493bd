package buildkit

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"

	"github.com/slipway-build/slipway/agent/buildkit/buildkittest"
)

func TestConnect(t *testing.T) {
	dial, dials := buildkittest.Serve(t, &buildkittest.Server{Workers: 1})
	d, err := Connect(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	if d.Version() != "v9.9.9" {
		t.Errorf("Version = %q", d.Version())
	}
	var names []string
	for _, p := range d.Platforms() {
		names = append(names, platforms.Format(p))
	}
	if got := strings.Join(names, " "); got != "linux/arm64 linux/amd64" {
		t.Errorf("Platforms = %s", got)
	}

	// A connection that broke is not replaced: a new one may reach another pod.
	if err := d.conn.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := d.client.ListWorkers(ctx)
		cancel()
		if !IsLost(err) {
			t.Errorf("over a broken connection: %v is not lost", err)
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("dialled %d times", n)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestOnceDialer(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	dial := onceDialer(here)
	if conn, err := dial(t.Context(), ""); conn != here || err != nil {
		t.Errorf("first dial: %v, %v", conn, err)
	}
	if conn, err := dial(t.Context(), ""); conn != nil || !errors.Is(err, errOneConnection) {
		t.Errorf("second dial: %v, %v; want %v", conn, err, errOneConnection)
	}
}

func TestConnectFailures(t *testing.T) {
	t.Run("dial", func(t *testing.T) {
		want := errors.New("no pod")
		if _, err := Connect(t.Context(), func(context.Context) (net.Conn, error) { return nil, want }); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	})
	t.Run("no worker", func(t *testing.T) {
		dial, _ := buildkittest.Serve(t, &buildkittest.Server{})
		if _, err := Connect(t.Context(), dial); err == nil || !strings.Contains(err.Error(), "no worker") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("accepts and says nothing", func(t *testing.T) {
		here, there := net.Pipe()
		defer func() { _ = there.Close() }()
		go func() { // swallow what gRPC writes
			buf := make([]byte, 1024)
			for {
				if _, err := there.Read(buf); err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := Connect(ctx, func(context.Context) (net.Conn, error) { return here, nil })
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "has not answered") {
			t.Errorf("error %v", err)
		}
		if _, err := here.Write([]byte{0}); err == nil {
			t.Error("the connection was left open")
		}
	})
	t.Run("closes at once", func(t *testing.T) {
		here, there := net.Pipe()
		if err := there.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Connect(t.Context(), func(context.Context) (net.Conn, error) { return here, nil })
		if !IsLost(err) {
			t.Errorf("error %v is not lost", err)
		}
	})
}
