package sidecar

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// accept gives connections to take until ctx ends, which has closed the listener. Before
// each pause for want of files or memory, report gets the reason, and after it, with the
// next connection, nil.
func accept(ctx context.Context, listener net.Listener, report func(err error, pause time.Duration), take func(net.Conn)) error {
	pause := time.Duration(0)
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close() // nothing was said yet
			}
			return nil
		case isShortage(err):
			pause = min(max(2*pause, firstAcceptPause), longestAcceptPause)
			report(err, pause)
			sleep(ctx, pause)
			continue
		case err != nil:
			return err
		}
		pause = 0
		report(nil, 0)
		take(conn)
	}
}

// The pauses after a connection could not be accepted, as net/http has them.
const (
	firstAcceptPause   = 5 * time.Millisecond
	longestAcceptPause = time.Second
)

// isShortage reports whether accept(2) has failed for want of what others may give
// back: files or memory.
func isShortage(err error) bool {
	return slices.ContainsFunc([]error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM}, func(e error) bool { return errors.Is(err, e) })
}
