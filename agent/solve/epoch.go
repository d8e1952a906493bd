package solve

import (
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// checkEpoch finds a SOURCE_DATE_EPOCH that Docker's frontend would refuse, once the
// builder has started: it takes seconds, the word context, and the names of a context
// and of a stage. given are the build arguments without those of variables.
//
//	https://github.com/moby/buildkit/blob/v0.34.2/frontend/dockerfile/dockerfile2llb/epoch.go
func checkEpoch(r Request, given map[string]string, in inputs) *fault.Usage {
	value := r.BuildArgs[sourceDateEpoch]
	if _, err := strconv.ParseInt(value, 10, 64); err == nil || value == "" || value == "context" {
		return nil
	}
	if slices.ContainsFunc(r.Contexts, func(c BuildContext) bool { return strings.EqualFold(c.Name, value) }) {
		return nil
	}
	names, _, known := readStages(r, in)
	if !known || slices.Contains(names, strings.ToLower(value)) {
		return nil
	}
	flag := sourceDateEpoch
	if _, ok := given[sourceDateEpoch]; ok {
		flag = "--build-arg " + sourceDateEpoch
	}
	return &fault.Usage{
		Flag: flag, Value: value, Problem: "is not a time in seconds since 1970",
		Hint: "set it to a number such as git log -1 --format=%ct prints, or unset it; BuildKit takes the word context and the name of a --build-context or stage as well",
	}
}
