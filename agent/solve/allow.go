package solve

import (
	"github.com/moby/buildkit/util/entitlements"

	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
)

// allowLocalDelete is the entitlement that buildx checks itself: a local
// output with mode=delete may empty a directory outside the working directory.
const allowLocalDelete = output.EntitlementLocalDelete

// ParseAllow checks an entitlement of --allow: network.host,
// security.insecure, device[=NAME] or buildx.local.delete. The error is a
// *fault.Usage.
func ParseAllow(value string) (string, error) {
	if value == allowLocalDelete {
		return value, nil
	}
	if _, _, err := entitlements.Parse(value); err != nil {
		return "", &fault.Usage{
			Flag: "--allow", Value: value, Problem: err.Error(),
			Hint: "there are network.host, security.insecure, device[=NAME] and " + allowLocalDelete,
		}
	}
	return value, nil
}
