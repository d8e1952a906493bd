package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/sidecar/api"
	"github.com/slipway-build/slipway/configmap"
)

// TestAgentThatIsStartedAgain tests that a socket of slipway agent is waited for while the
// agent is started again, and no other socket.
func TestAgentThatIsStartedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		served bool  // by slipway agent
		stale  bool  // a socket is there on which nobody listens
		comes  bool  // somebody listens after a while
		want   error // nil for a connection
	}{
		"after SIGTERM":         {served: true, comes: true},
		"after SIGKILL":         {served: true, stale: true, comes: true},
		"for good":              {served: true, want: syscall.ENOENT},
		"not slipway agent's":   {comes: true, want: syscall.ENOENT},
		"nor with a stale file": {stale: true, comes: true, want: syscall.ECONNREFUSED},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "agent") // the test's own directory has too long a path
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			socket := filepath.Join(dir, "kube", "amd64.sock")
			if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil {
				t.Fatal(err)
			}
			if c.served {
				if err := os.WriteFile(api.LockFile(dir), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.stale {
				left, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
				if err != nil {
					t.Fatal(err)
				}
				left.SetUnlinkOnClose(false)
				_ = left.Close()
			}
			daemon := strings.TrimPrefix((&fleettest.Daemon{}).Listen(t), "unix://")
			var log bytes.Buffer
			connector := &Connector{Log: zerolog.New(&log)}
			node := configmap.Node{Name: "n", Remote: &configmap.Remote{Address: "unix://" + socket, Timeout: time.Minute}}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if c.want != nil {
				node.Remote.Timeout = 300 * time.Millisecond
			}
			if c.comes {
				appear := time.AfterFunc(300*time.Millisecond, func() {
					_ = os.Remove(socket)
					_ = os.Symlink(daemon, socket)
				})
				defer appear.Stop()
			}
			began := time.Now()
			conn, err := connector.ConnectRemote(ctx, node)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v after %s, want %v", err, time.Since(began), c.want)
			}
			if err == nil {
				_ = conn.Close()
			}
			if told := strings.Count(log.String(), "waiting for it"); told != map[bool]int{true: 1}[c.served] {
				t.Errorf("it tells %d times that it waits: %s", told, log.String())
			}
		})
	}
}

// TestAgentThatEnds tests that an agent that closes a connection without an answer is asked
// again, and one that answers with an error is not.
func TestAgentThatEnds(t *testing.T) {
	ended := status.Error(codes.Unavailable, "connection error: connection reset by peer")
	for name, c := range map[string]struct {
		served bool
		errs   []error
		want   error
		asked  int
	}{
		"ending":              {served: true, errs: []error{ended, ended, nil}, asked: 3},
		"ending for good":     {served: true, errs: []error{ended}, want: ended, asked: endingTries},
		"an answer":           {served: true, errs: []error{status.Error(codes.Unavailable, "slipway agent: no pod")}, want: status.Error(codes.Unavailable, "slipway agent: no pod"), asked: 1},
		"another error":       {served: true, errs: []error{os.ErrPermission}, want: os.ErrPermission, asked: 1},
		"not slipway agent's": {errs: []error{ended}, want: ended, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.served {
				if err := os.WriteFile(api.LockFile(dir), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			asked := 0
			_, err := (&Connector{Log: zerolog.Nop()}).askPatiently(t.Context(), configmap.Node{Remote: &configmap.Remote{Address: "unix://" + dir + "/kube/a.sock"}}, func() (*buildkit.Daemon, error) {
				asked++
				return nil, c.errs[min(asked, len(c.errs))-1]
			})
			if asked != c.asked || fmt.Sprint(err) != fmt.Sprint(c.want) {
				t.Errorf("asked %d times, %v; want %d, %v", asked, err, c.asked, c.want)
			}
		})
	}
}
