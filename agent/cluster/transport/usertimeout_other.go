//go:build !linux

package transport

import "syscall"

// setUserTimeout has no portable form; the keep-alive probes of idle connections
// and the watch over silent solves remain.
func setUserTimeout(string, string, syscall.RawConn) error { return nil }
