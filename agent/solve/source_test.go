package solve

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

// Two nodes ask for a secret that can be read once.
func TestSecretOfPipe(t *testing.T) {
	files := source.New(t.Context(), nil)
	secret, warning, problem := Secret{ID: "t", File: sourcetest.Pipe(t, []byte("0123456789"))}.resolve(files, env())
	if problem != nil || warning != "" {
		t.Fatal(problem, warning)
	}
	store := secretStore{map[string]Secret{"t": secret}, files, env(), nil}
	for range 2 {
		if got, err := store.GetSecret(t.Context(), "t"); err != nil || string(got) != "0123456789" {
			t.Errorf("%q, %v", got, err)
		}
	}
	_, warning, problem = Secret{ID: "t", File: sourcetest.Pipe(t, nil)}.resolve(files, env())
	if problem != nil || warning == "" {
		t.Errorf("an empty pipe: %v, %q", problem, warning)
	}
}

// A key is read to check it and again by BuildKit's provider.
func TestSSHKeyOfPipe(t *testing.T) {
	files := source.New(t.Context(), nil)
	defer func() { _ = files.Close() }()
	_, key := keyPair(t)
	var found fault.UsageList
	agents := sshAgents(t.Context(), []SSH{{ID: "default", Paths: []string{sourcetest.Pipe(t, []byte(key))}}}, files, env(), &found)
	if err := found.Err(); err != nil || agents == nil {
		t.Errorf("%v, %v", agents, err)
	}
}

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
		if got := isStream(path); got != want {
			t.Errorf("isStream(%s) = %v", path, got)
		}
	}
}
