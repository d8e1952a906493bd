// Package podshell runs shell scripts in a pod by a program in it that takes them
// over HTTP, as the process of a CI system's agent takes the steps of its job.
// kubectl exec does the same by way of the API server, the kubelet, containerd,
// its shim and runc, which costs as much of the machine as a small build;
// scenarios run thousands of scripts.
//
// Whoever reaches the port runs what they like in the container: it is for the
// testbed, whose pods nobody else reaches.
package podshell

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Port is where the program in the pod listens.
const Port = "7070"

// step is what is asked for: the body of a request.
type step struct {
	Script string
	Stdin  []byte `json:",omitempty"`
}

// piece is a part of an answer, which is a stream of them. The last has a code
// or an error.
type piece struct {
	Stdout []byte `json:",omitempty"`
	Stderr []byte `json:",omitempty"`
	Code   *int   `json:",omitempty"`
	Failed string `json:",omitempty"` // why there is no exit code
}

// starting bounds how long the program in the pod may take to listen after its
// container was started.
const starting = 30 * time.Second

// Run has a script run by sh in the pod at the address and returns its exit code,
// 128 and the signal's number where a signal ended it. The script is killed when
// ctx is done. What it leaves running in the background with its output open is
// waited for, as kubectl exec does.
func Run(ctx context.Context, ip, script string, stdin []byte, stdout, stderr io.Writer) (int, error) {
	code, err := run(ctx, ip, step{Script: script, Stdin: stdin}, stdout, stderr)
	if err != nil {
		return 0, fmt.Errorf("run a script in the pod at %s: %w", ip, err)
	}
	return code, nil
}

func run(ctx context.Context, ip string, s step, stdout, stderr io.Writer) (int, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	answer, err := post(ctx, "http://"+net.JoinHostPort(ip, Port), body)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return 0, errors.New(answer.Status)
	}
	for pieces := json.NewDecoder(answer.Body); ; {
		var p piece
		if err := pieces.Decode(&p); err != nil {
			return 0, fmt.Errorf("its output breaks off: %w", err)
		}
		_, outErr := stdout.Write(p.Stdout)
		_, errErr := stderr.Write(p.Stderr)
		switch {
		case outErr != nil || errErr != nil:
			return 0, errors.Join(outErr, errErr)
		case p.Failed != "":
			return 0, errors.New(p.Failed)
		case p.Code != nil:
			return *p.Code, nil
		}
	}
}

// post sends a request, again while nothing listens: a container counts as
// started before its program has come that far.
func post(ctx context.Context, url string, body []byte) (*http.Response, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		answer, err := client.Do(request)
		if err == nil || !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) > starting {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// client keeps no connections: a pod may be gone before the next script, and
// another one have its address.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Handler runs the scripts of requests in its own environment and working
// directory.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var s step
		// Read to its end: only then does the server notice that the client leaves.
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &s)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out := &answer{to: json.NewEncoder(w), flush: http.NewResponseController(w).Flush}
		last := piece{}
		if code, err := s.run(r.Context(), out); err != nil {
			last.Failed = err.Error()
		} else {
			last.Code = &code
		}
		_ = out.send(last) // it fails when nobody waits for the answer any more
	})
}

func (s step) run(ctx context.Context, out *answer) (int, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", s.Script)
	// A session of its own, as a process has that runc starts, so that it ends
	// with all that it has started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Stdin = bytes.NewReader(s.Stdin)
	if len(s.Stdin) == 0 {
		cmd.Stdin = nil
	}
	cmd.Stdout = writer(func(p []byte) error { return out.send(piece{Stdout: p}) })
	cmd.Stderr = writer(func(p []byte) error { return out.send(piece{Stderr: p}) })
	err := cmd.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return 0, err
	}
	if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return ended.ExitCode(), nil
}

// answer sends pieces, from several goroutines.
type answer struct {
	mu    sync.Mutex
	to    *json.Encoder
	flush func() error
}

func (a *answer) send(p piece) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(a.to.Encode(p), a.flush())
}

type writer func([]byte) error

func (w writer) Write(p []byte) (int, error) {
	if err := w(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
