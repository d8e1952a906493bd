package peer

import (
	"net"

	"golang.org/x/sys/unix"
)

// ofSocket asks the kernel who has connected to a unix socket; the zero Peer elsewhere.
func ofSocket(conn net.Conn) Peer {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return Peer{}
	}
	var p Peer
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			p = Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid, Local: true}
		}
	})
	return p
}
