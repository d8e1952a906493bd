package transport

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// setUserTimeout makes the kernel give a connection up when what was sent is not
// acknowledged for unackedTimeout; left alone it tries for a quarter of an hour.
func setUserTimeout(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedTimeout.Milliseconds()))
	})
	return errors.Join(err, failed)
}
