package main

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"slipway": main, "docker-buildx": main, "docker": main, "executor": main, "warmer": main})
}

// TestScripts runs the real main over testdata/*.txt. In the scripts there is
// no cluster: what ends with exit code 2 has not looked for one.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("SLIPWAY_DEFINITIONS", "builders")
			env.Setenv("DOCKER_CONFIG", "")
			env.Setenv("BUILDX_CONFIG", "")
			env.Setenv("KUBECONFIG", env.WorkDir+"/no-kubeconfig")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "holds": holds, "terminate": terminate},
	})
}

// exits runs a command that must end with the given code:
//
//	exits 2 slipway build .
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// holds connects to the unix socket of a node, once somebody serves it, and keeps the
// connection for the duration, in the background:
//
//	holds 6s run/kube/kube0.sock
func holds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: holds DURATION SOCKET")
	}
	duration, err := time.ParseDuration(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("unix", ts.MkAbs(args[1]))
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, 1)) // the server's settings: it is served
			ts.Check(err)
			time.AfterFunc(duration, func() { _ = conn.Close() })
			return
		}
		if time.Now().After(deadline) {
			ts.Check(err)
		}
	}
}

// terminate sends SIGTERM to all commands in the background.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, command := range ts.BackgroundCmds() {
		ts.Check(command.Process.Signal(syscall.SIGTERM))
	}
}
