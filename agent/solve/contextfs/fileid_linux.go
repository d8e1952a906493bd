package contextfs

import "syscall"

// changed is the time of the last change of a file's state, in ns.
func changed(stat *syscall.Stat_t) int64 { return stat.Ctim.Nano() }
