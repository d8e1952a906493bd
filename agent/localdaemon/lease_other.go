//go:build !linux

package localdaemon

import (
	"context"
	"errors"

	"github.com/slipway-build/slipway/configmap"
)

// Lease is the use of a daemon by one connection. There is none but on Linux.
type Lease struct{}

// Acquire refuses: buildkitd runs on Linux only.
func Acquire(context.Context, configmap.Node, func(string)) (*Lease, error) {
	return nil, hinted(errors.New("the driver local works on Linux only: buildkitd needs its kernel"), "use the driver remote with a buildkitd in a virtual machine, or the driver kubernetes")
}

// Running is false: buildkitd runs on Linux only.
func Running(configmap.Node) bool { return false }

// Release does nothing.
func (*Lease) Release() {}

// Death returns nil.
func (*Lease) Death(configmap.Node) error { return nil }
