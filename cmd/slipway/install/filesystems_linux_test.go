package install

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/fault"
)

// TestFileSystems installs into file systems that have no room, are read-only, or
// from which nothing can be run.
func TestFileSystems(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	for _, tt := range []struct {
		name, options string
		flags         uintptr
		want          string
	}{
		{name: "full", options: "size=64k", want: "takes 1 MB"},
		{name: "noexec", flags: unix.MS_NOEXEC, want: "noexec"},
		{name: "read-only", flags: unix.MS_RDONLY, want: "without readOnly"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := setUp(t, map[string]string{"x": ""})
			must(t, os.WriteFile(r.Program, make([]byte, 256<<10), 0o755))
			must(t, unix.Mount("tmpfs", r.Dir, "tmpfs", tt.flags, tt.options))
			t.Cleanup(func() { must(t, unix.Unmount(r.Dir, unix.MNT_DETACH)) })
			_, err := Run(t.Context(), r)
			if err == nil || !strings.Contains(strings.Join(fault.Hints(err), " "), tt.want) {
				t.Errorf("error %v with hints %q, want %q", err, fault.Hints(err), tt.want)
			}
			if left := listing(t, r.Dir); len(left) > 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
	t.Run("read-only and up to date", func(t *testing.T) {
		r := setUp(t, map[string]string{"slipway": program})
		must(t, unix.Mount(r.Dir, r.Dir, "", unix.MS_BIND, ""))
		t.Cleanup(func() { must(t, unix.Unmount(r.Dir, unix.MNT_DETACH)) })
		must(t, unix.Mount("", r.Dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		_, err := Run(t.Context(), r)
		must(t, err)
	})
}
