package output

import (
	"context"

	"github.com/slipway-build/slipway/internal/fault"
)

// checkOCI finds mistakes in a type=oci output.
func checkOCI(o Output) (problem, hint string) { return checkArchive(o) }

func openOCI(_ context.Context, o Output, env Env) (sink, *fault.Usage) { return openArchive(o, env) }
