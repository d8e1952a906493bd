package output

import (
	"context"

	"github.com/slipway-build/slipway/internal/fault"
)

// attrDockerContext is buildx's choice of an engine by a context of the
// docker CLI.
const attrDockerContext = "context"

// checkDocker finds mistakes in a type=docker output.
func checkDocker(o Output) (problem, hint string) {
	if _, ok := o.Attrs[attrDockerContext]; ok {
		return "docker contexts are not supported", "set DOCKER_HOST to the engine's address"
	}
	return checkArchive(o)
}

// openDocker opens an archive file or, without dest, an engine to load into.
func openDocker(ctx context.Context, o Output, env Env) (sink, *fault.Usage) {
	if o.Dest != "" || isFalse(o.Attrs[attrTar]) {
		return openArchive(o, env)
	}
	engine, problem := openEngine(ctx, o, env)
	if problem != nil {
		return nil, problem
	}
	return newArchive(o, env, engine), nil
}
