//go:build unix

package output

import (
	"io/fs"
	"syscall"
)

// owner is who a file belongs to.
type owner struct{ uid, gid int }

// ownerOf returns the owner of a file on file systems that have one.
func ownerOf(info fs.FileInfo) (owner, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return owner{}, false
	}
	return owner{uid: int(stat.Uid), gid: int(stat.Gid)}, true
}

// deviceOf is the number of the file system that a file is on.
func deviceOf(info fs.FileInfo) uint64 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(stat.Dev) // its type differs between systems
}
