//go:build !linux

package solve

import "testing"

// runUnprivileged needs Linux to change the user of a process of its own.
func runUnprivileged(t *testing.T) { t.Skip("needs an ordinary user") }
