package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
	exitcode "k8s.io/client-go/util/exec"
)

// configs are read once for each kubeconfig.
var configs = struct {
	sync.Mutex
	of map[string]*rest.Config // by the path of the kubeconfig
}{of: map[string]*rest.Config{}}

func (n Namespace) config() (*rest.Config, error) {
	configs.Lock()
	defer configs.Unlock()
	path := n.Bed.Kubeconfig
	if known := configs.of[path]; known != nil {
		return known, nil
	}
	read, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	configs.of[path] = read
	return read, nil
}

// exec runs a command in a pod of one container, as kubectl exec does,
// and returns its exit code. It does so in this process: a kubectl for each of
// the thousands of commands took a fifth of the machine.
func (n Namespace) exec(ctx context.Context, pod string, streams remotecommand.StreamOptions, command ...string) (int, error) {
	config, err := n.config()
	if err != nil {
		return 0, err
	}
	query := url.Values{"command": command}
	for name, wanted := range map[string]bool{"stdin": streams.Stdin != nil, "stdout": streams.Stdout != nil, "stderr": streams.Stderr != nil, "tty": streams.Tty} {
		if wanted {
			query.Set(name, "true")
		}
	}
	address := fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s/exec?%s", strings.TrimSuffix(config.Host, "/"), n.Name, pod, query.Encode())
	executor, err := remotecommand.NewWebSocketExecutor(config, "GET", address)
	if err != nil {
		return 0, fmt.Errorf("exec in pod %s: %w", pod, err)
	}
	err = executor.StreamWithContext(ctx, streams)
	var failed exitcode.CodeExitError
	if errors.As(err, &failed) {
		return failed.Code, nil
	}
	if err != nil {
		return 0, fmt.Errorf("exec in pod %s: %w", pod, err)
	}
	return 0, nil
}

// holdOpen reads a text, and ends when end is called: what is still on its way
// when a command's standard input ends may be dropped.
func holdOpen(text string) (reader io.Reader, end func()) {
	reader, writer := io.Pipe()
	go func() {
		// It fails when the command has ended first; the count tells.
		_, _ = io.WriteString(writer, text)
	}()
	return reader, func() { _ = writer.Close() } // it never fails
}
