package source

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsStream(t *testing.T) {
	dir := t.TempDir()
	fifo, file, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	socket := filepath.Join(dir, "socket")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.WriteFile(file, nil, 0o600), os.Symlink(fifo, link)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{fifo: true, link: true, socket: true, "/dev/null": true, file: false, dir: false, filepath.Join(dir, "nope"): false} {
		if got := IsStream(path); got != want {
			t.Errorf("IsStream(%s) = %v", path, got)
		}
	}
}
