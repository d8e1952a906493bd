package target

import "golang.org/x/sys/unix"

// isMount reports whether something is mounted at a path, for example a single
// file of the host. Kernels before 5.8 do not say.
func isMount(path string) bool {
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &stat)
	return err == nil && stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
