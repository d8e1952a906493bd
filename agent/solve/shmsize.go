package solve

import (
	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/fault"
)

// ParseShmSize parses a size with an optional unit (64m, 1g; b, k, m, g with
// powers of 1024) and returns bytes. The error is a *fault.Usage.
func ParseShmSize(value string) (int64, error) {
	size, err := units.RAMInBytes(value)
	if err != nil {
		return 0, &fault.Usage{Flag: "--shm-size", Value: value, Problem: "is not a size", Hint: "the form is a number with b, k, m or g, for example 64m"}
	}
	return size, nil
}
