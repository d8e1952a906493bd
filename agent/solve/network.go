package solve

import (
	"fmt"

	"github.com/slipway-build/slipway/internal/fault"
)

// The values of --network; the zero value is NetworkDefault.
const (
	NetworkDefault = "default"
	NetworkHost    = "host"
	NetworkNone    = "none"
)

// ParseNetwork checks the mode of --network. The error is a *fault.Usage.
func ParseNetwork(value string) (string, error) {
	switch value {
	case "", NetworkDefault:
		return NetworkDefault, nil
	case NetworkHost, NetworkNone:
		return value, nil
	}
	return "", &fault.Usage{
		Flag: "--network", Value: value,
		Problem: "BuildKit has no such network mode",
		Hint:    fmt.Sprintf("use %s, %s or %s", NetworkDefault, NetworkHost, NetworkNone),
	}
}
