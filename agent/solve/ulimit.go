package solve

import (
	"github.com/docker/go-units"

	"github.com/slipway-build/slipway/internal/fault"
)

// ParseUlimit parses name=soft[:hard] and returns it in full, name=soft:hard.
// The error is a *fault.Usage.
func ParseUlimit(value string) (string, error) {
	limit, err := units.ParseUlimit(value)
	if err != nil {
		return "", &fault.Usage{Flag: "--ulimit", Value: value, Problem: err.Error(), Hint: "the form is NAME=SOFT[:HARD], for example nofile=1024:2048"}
	}
	return limit.String(), nil
}
