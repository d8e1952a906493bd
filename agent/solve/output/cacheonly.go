package output

import (
	"context"

	"github.com/slipway-build/slipway/internal/fault"
)

// checkCacheOnly finds mistakes in a type=cacheonly output: it has nothing to
// say.
func checkCacheOnly(o Output) (problem, hint string) {
	if o.Dest != "" {
		return "type=cacheonly writes nothing, it has no dest", ""
	}
	return checkAttrs(o)
}

// openCacheOnly asks BuildKit for no exporter: the result stays in the
// builder's cache, and nobody is warned of it.
func openCacheOnly(context.Context, Output, Env) (sink, *fault.Usage) { return nil, nil }
