package configmap

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestLocateTakesTheFirstThatExists(t *testing.T) {
	root := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	places := Places{Explicit: at("explicit"), BuildxConfig: at("buildx"), DockerConfig: at("docker"), Home: at("home")}
	order := []string{
		at("explicit"), at("system"), at("buildx", "instances"), at("docker", "buildx", "instances"), at("home", ".docker", "buildx", "instances"),
	}
	for _, dir := range order {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range order {
		got, err := locate(places, at("system"))
		if err != nil || got != want {
			t.Fatalf("with %d places gone: got %q, %v, want %q", i, got, err, want)
		}
		if err := os.RemoveAll(want); err != nil {
			t.Fatal(err)
		}
		places.Explicit = ""
	}
	_, err := locate(places, at("system"))
	known := (*Error)(nil)
	if !errors.As(err, &known) {
		t.Fatalf("with nothing there: %v", err)
	}
	for _, place := range order[1:] {
		if !slices.Contains(known.Hints(), "looked at "+place) {
			t.Errorf("hints do not list %s: %q", place, known.Hints())
		}
	}
}

func TestLocateErrors(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(root, "instances")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		places Places
		want   string
	}{
		{"explicit path that does not exist, with others there", Places{Explicit: filepath.Join(root, "no"), Home: root}, "definitions " + filepath.Join(root, "no") + " cannot be read: no such file"},
		{"explicit path below a file", Places{Explicit: filepath.Join(file, "no")}, "not a directory"},
		{"place that exists but cannot be read", Places{BuildxConfig: root}, "definitions " + loop + " cannot be read: too many levels"},
		{"place below a file is no place", Places{DockerConfig: file}, "no builder definitions found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := locate(test.places, filepath.Join(root, "system"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, %v, want error with %q", got, err, test.want)
			}
		})
	}
}

// TestUnreadableForWantOfDescriptors tests that an agent without descriptors is not
// told to look at its mounts.
func TestUnreadableForWantOfDescriptors(t *testing.T) {
	err := unreadable("/defs", &fs.PathError{Op: "open", Path: "/defs/kube", Err: syscall.EMFILE})
	if hints := fault.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "ulimit -n") {
		t.Errorf("hints %q", hints)
	}
	if hints := fault.Hints(unreadable("/defs", syscall.EACCES)); len(hints) != 1 || !strings.Contains(hints[0], "is mounted") {
		t.Errorf("hints %q", hints)
	}
}
