package localdaemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// behaviour says how this binary behaves in the place of buildkitd.
const behaviour = "SLIPWAY_TEST_BUILDKITD"

func TestMain(m *testing.M) {
	if how := os.Getenv(behaviour); how != "" && len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "--addr=") {
		os.Exit(buildkitd(how))
	}
	os.Exit(m.Run())
}

// buildkitd listens as buildkitd does, and locks its state.
func buildkitd(how string) int {
	var socket, root string
	for _, arg := range os.Args[1:] {
		if v, ok := strings.CutPrefix(arg, "--addr=unix://"); ok {
			socket = v
		}
		if v, ok := strings.CutPrefix(arg, "--root="); ok {
			root = v
		}
	}
	switch how {
	case "fails":
		fmt.Fprintln(os.Stderr, `time="now" level=info msg="all is well"`)
		fmt.Fprintln(os.Stderr, "buildkitd: no worker found, rebuild the buildkit daemon?")
		return 1
	case "hangs":
		time.Sleep(time.Hour)
	case "deaf": // to SIGTERM
		signal.Ignore(syscall.SIGTERM)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return 2
	}
	lock, err := os.OpenFile(filepath.Join(root, "buildkitd.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil || syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		fmt.Fprintln(os.Stderr, "buildkitd: could not lock, another instance running?")
		return 3
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 4
	}
	go func() {
		for {
			if _, err := listener.Accept(); err != nil {
				return
			}
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT)
	if how != "deaf" {
		ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM)
	}
	defer stop()
	<-ctx.Done()
	return 0
}
