// Package kubectl runs the cluster's kubectl, and commands in pods, for scenarios
// and benchmarks.
package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// Namespace is kubectl in one namespace of one cluster.
type Namespace struct {
	Bed  state.State
	Name string
}

// Result is how a command in a pod ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Command prepares kubectl with the arguments.
func (n Namespace) Command(ctx context.Context, args ...string) *exec.Cmd {
	path := "kubectl" // of the PATH, for a cluster that is not the testbed's
	if n.Bed.BinDir != "" {
		path = filepath.Join(n.Bed.BinDir, path)
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"--namespace", n.Name}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+n.Bed.Kubeconfig)
	return cmd
}

// Run does what kubectl with the arguments does and returns what it prints; it
// is an error if it fails.
func (n Namespace) Run(ctx context.Context, stdin string, args ...string) (string, error) {
	if createsFromStdin(args) {
		return n.create(ctx, stdin)
	}
	cmd := n.Command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// Shell runs a script in a pod. A script that fails is a Result, not an error.
func (n Namespace) Shell(ctx context.Context, pod, script string) (Result, error) {
	var stdout, stderr bytes.Buffer
	code, err := n.exec(ctx, pod, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}, "sh", "-c", script)
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: code}, err
}

// Terminal is Shell on a terminal, which shows standard error as well.
func (n Namespace) Terminal(ctx context.Context, pod, script string) (Result, error) {
	var shown bytes.Buffer
	code, err := n.exec(ctx, pod, remotecommand.StreamOptions{Stdout: &shown, Tty: true}, "sh", "-c", script)
	return Result{Stdout: shown.String(), Code: code}, err
}

// writeTries bounds how often a file is written anew.
const writeTries = 5

// WriteFile makes a file in a pod, and the directories above it.
//
// On a loaded machine containerd starts some commands with their standard
// input closed already (its shim opens the pipe before containerd does and
// reads an end). So the command in the pod counts the bytes, and what arrived
// short is written again.
func (n Namespace) WriteFile(ctx context.Context, pod, path, content string) error {
	script := fmt.Sprintf("mkdir -p $(dirname %[1]q) && head -c %[2]d > %[1]q && wc -c < %[1]q", path, len(content))
	for range writeTries {
		arrived, err := n.pipe(ctx, pod, content, script)
		if err != nil {
			return fmt.Errorf("write %s in pod %s: %w", path, pod, err)
		}
		if strings.TrimSpace(arrived) == strconv.Itoa(len(content)) {
			return nil
		}
	}
	return fmt.Errorf("write %s in pod %s: it arrived short %d times", path, pod, writeTries)
}

// pipe runs a script in a pod and gives it a standard input.
func (n Namespace) pipe(ctx context.Context, pod, content, script string) (string, error) {
	stdin, end := holdOpen(content)
	defer end()
	var stdout, stderr bytes.Buffer
	code, err := n.exec(ctx, pod, remotecommand.StreamOptions{Stdin: stdin, Stdout: &stdout, Stderr: &stderr}, "sh", "-c", script)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, stderr.String())
	}
	return stdout.String(), err
}

// CopyOut copies a file of a pod to a file of this machine. It counts, because
// an exec whose connection breaks may end as if the file did.
func (n Namespace) CopyOut(ctx context.Context, pod, path, to string) error {
	size, err := n.Shell(ctx, pod, fmt.Sprintf("stat -c %%s %q", path))
	if err == nil && size.Code != 0 {
		err = errors.New(size.Stderr)
	}
	if err != nil {
		return fmt.Errorf("copy %s out of pod %s: %w", path, pod, err)
	}
	file, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("copy %s out of pod %s: %w", path, pod, err)
	}
	var stderr bytes.Buffer
	_, err = n.exec(ctx, pod, remotecommand.StreamOptions{Stdout: file, Stderr: &stderr}, "cat", path)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("copy %s out of pod %s: %w: %s", path, pod, err, stderr.String())
	}
	info, err := os.Stat(to)
	if err != nil {
		return fmt.Errorf("copy %s out of pod %s: %w", path, pod, err)
	}
	if want := strings.TrimSpace(size.Stdout); strconv.FormatInt(info.Size(), 10) != want {
		return fmt.Errorf("copy %s out of pod %s: %d of %s bytes arrived", path, pod, info.Size(), want)
	}
	return nil
}
