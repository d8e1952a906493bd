//go:build unix

package contextfs

import (
	"io/fs"
	"syscall"
)

// fileID tells a state of a file from all others of this machine, as far as
// that can be told without reading it. The time of the last change of state
// (ctime) cannot be set by programs.
type fileID struct {
	Dev, Ino           uint64
	Size, Mtime, Ctime int64 // bytes, ns, ns
}

// idOf returns the identity of a file.
func idOf(info fs.FileInfo) (fileID, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{
		Dev:   device(stat),
		Ino:   stat.Ino,
		Size:  info.Size(),
		Mtime: info.ModTime().UnixNano(),
		Ctime: changed(stat),
	}, true
}

// device is the number of the file system of a file; its type differs between
// systems.
func device(stat *syscall.Stat_t) uint64 { return uint64(stat.Dev) }
