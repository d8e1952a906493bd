package target

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A build may be killed while it removes its staging directory, too: the lock
// goes last, and an empty directory is nobody's.
func TestStagingThatIsHalfRemoved(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := tree(t, map[string]string{StagingPrefix + "half/lock": "", StagingPrefix + "half/1/a": "x"})
	must(os.Mkdir(filepath.Join(dir, StagingPrefix+"empty"), 0o700))
	made, err := Stage(dir)
	must(err)
	if left, err := filepath.Glob(filepath.Join(dir, StagingPrefix+"*")); err != nil || len(left) != 1 {
		t.Errorf("%q are left: %v", left, err)
	}
	must(os.MkdirAll(filepath.Join(made.Path(), "1", "a"), 0o700))
	must(os.WriteFile(filepath.Join(made.Path(), "z"), nil, 0o600))
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	must(err)
	file := os.NewFile(uintptr(watch), "inotify")
	_, err = unix.InotifyAddWatch(watch, made.Path(), unix.IN_DELETE)
	must(err)
	must(made.Remove())
	buf, last := make([]byte, 4096), ""
	n, err := file.Read(buf)
	must(err)
	for buf := buf[:n]; len(buf) >= unix.SizeofInotifyEvent; {
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[12:]))
		if name := strings.TrimRight(string(buf[unix.SizeofInotifyEvent:size]), "\x00"); name != "" {
			last = name
		}
		buf = buf[size:]
	}
	must(file.Close())
	if last != stagingLock {
		t.Errorf("the last that was removed is %q", last)
	}
}
