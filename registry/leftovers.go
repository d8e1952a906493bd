package registry

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// leftoverAge is how old a temporary file must be to be taken for one of a
// process that was killed: none is written for so long.
const leftoverAge = time.Hour

// removeLeftovers removes the temporary files beside a config.json that a login
// which was killed while it wrote has left: they hold credentials, and no later
// login would touch them. Those that are younger than leftoverAge, that a process
// holds a lock on, or that belong to another user stay. What cannot be removed is
// no reason not to log in.
func removeLeftovers(file string) {
	dir := filepath.Dir(file)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		// As package atomicwriter names them.
		if entry.Type().IsRegular() && strings.HasPrefix(entry.Name(), ".tmp-"+filepath.Base(file)) {
			removeLeftover(filepath.Join(dir, entry.Name()))
		}
	}
}

func removeLeftover(path string) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }() // which unlocks
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < leftoverAge {
		return
	}
	if by, ok := info.Sys().(*syscall.Stat_t); !ok || int(by.Uid) != os.Geteuid() {
		return
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(path)
	}
}
