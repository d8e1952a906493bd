package solve

import (
	"encoding/json"

	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/source"
)

// sourcePolicyEnv names a file with a BuildKit source policy, as for buildx.
const sourcePolicyEnv = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"

// readSourcePolicy reads the policy that the environment names, JSON or
// protobuf; nil when it names none.
func readSourcePolicy(files *source.Reader, lookup func(string) (string, bool)) (*spb.Policy, *fault.Usage) {
	file, _ := lookup(sourcePolicyEnv)
	if file == "" {
		return nil, nil
	}
	data, err := files.Read(file, source.MaxConfig)
	if err != nil {
		return nil, &fault.Usage{Flag: sourcePolicyEnv, Value: file, Problem: fault.Cause(err)}
	}
	var policy spb.Policy
	jsonErr := json.Unmarshal(data, &policy)
	if jsonErr == nil {
		return &policy, nil
	}
	policy.Reset()
	if err := proto.Unmarshal(data, &policy); err != nil {
		return nil, &fault.Usage{Flag: sourcePolicyEnv, Value: file, Problem: "is not a source policy: " + jsonErr.Error()}
	}
	return &policy, nil
}
