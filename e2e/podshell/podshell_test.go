package podshell

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listen serves scripts on an address of loopback and returns it. Each test has
// one of its own, for the port is always the same.
func listen(t *testing.T, ip string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, Port))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: Handler(), ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return ip
}

func TestRunByIPv6(t *testing.T) {
	var stdout bytes.Buffer
	if code, err := Run(t.Context(), listen(t, "::1"), "echo six", nil, &stdout, &stdout); code != 0 || err != nil || stdout.String() != "six\n" {
		t.Errorf("exit %d, %v: %s", code, err, &stdout)
	}
}

func TestRun(t *testing.T) {
	ip := listen(t, "127.70.70.1")
	for _, tt := range []struct {
		name, script, stdin string
		stdout, stderr      string
		code                int
	}{
		{name: "both streams and a code", script: "echo out; echo err >&2; exit 7", stdout: "out\n", stderr: "err\n", code: 7},
		{name: "standard input", script: "cat; exit 0", stdin: "given\x00\xff", stdout: "given\x00\xff"},
		{name: "no standard input", script: "wc -c", stdout: "0\n"},
		{name: "a signal", script: "kill -9 $$", code: 137},
		{name: "no such command", script: "exec /no/such/command 2>/dev/null", code: 127},
		{name: "much", script: "head -c 3000000 /dev/zero | tr '\\0' x", stdout: strings.Repeat("x", 3_000_000)},
		{name: "a process in the background", script: "(sleep 0.1; echo late) &", stdout: "late\n"},
	} {
		var stdout, stderr bytes.Buffer
		code, err := Run(t.Context(), ip, tt.script, []byte(tt.stdin), &stdout, &stderr)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if code != tt.code || stdout.String() != tt.stdout || stderr.String() != tt.stderr {
			t.Errorf("%s: exit %d, %.40q, %.40q; want %d, %.40q, %.40q", tt.name, code, &stdout, &stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
}

func TestRunIsCancelled(t *testing.T) {
	ip := listen(t, "127.70.70.2")
	ctx, cancel := context.WithCancel(t.Context())
	pids, left := filepath.Join(t.TempDir(), "fifo"), make(chan error, 1)
	go func() {
		_, err := Run(ctx, ip, "mkfifo "+pids+"; sleep 1000 & echo $! > "+pids+"; wait", nil, &bytes.Buffer{}, &bytes.Buffer{})
		left <- err
	}()
	var pid []byte
	for len(pid) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the script did not begin")
		}
		pid, _ = os.ReadFile(pids) // blocks once the FIFO is there
	}
	cancel()
	if err := <-left; err == nil {
		t.Error("a script that was cancelled has an exit code")
	}
	process := filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(process)
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("what the script started still runs: %s", stat)
		}
	}
}

func TestRunWaitsForThePort(t *testing.T) {
	const ip = "127.70.70.3"
	ended := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), ip, "true", nil, &bytes.Buffer{}, &bytes.Buffer{})
		ended <- err
	}()
	listen(t, ip)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
