package main

import (
	"fmt"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/internal/fault"
)

// dialStdioCmd has the flags of docker buildx dial-stdio, name for name.
type dialStdioCmd struct {
	Platform string `env:"DOCKER_DEFAULT_PLATFORM" placeholder:"OS/ARCH" help:"Take the node that a build for this platform would get (default: the first node)."`
	Progress string `default:"quiet" placeholder:"MODE" help:"What is told of the connection: quiet and none tell nothing, auto, plain, tty and rawjson a line for each step."`
	platformFlags
}

// Help is shown by --help.
func (c *dialStdioCmd) Help() string {
	return "Connects standard input and output with a buildkitd of the builder, which is started where it does not run. A client of BuildKit whose dialer runs a command can use a builder so."
}

// Run connects and copies until the daemon or the client ends.
func (c *dialStdioCmd) Run(in *invocation) error {
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		return &usageError{err: fmt.Errorf("--progress: %w", err)}
	}
	var platform *ocispecs.Platform
	if c.Platform != "" {
		list, err := parsePlatforms(in, []string{c.Platform})
		if err == nil && len(list) != 1 {
			err = &fault.Usage{
				Flag: platformFlag(in), Value: c.Platform, Problem: "names several platforms, and a connection goes to one node",
				Hint: "name the one: --platform " + platforms.Format(list[0]),
			}
		}
		if err != nil {
			return &usageError{err: err}
		}
		platform = &list[0]
	}
	definition, err := in.definition(in.global.Builder)
	if err != nil {
		return err
	}
	report := func(line string) { in.log.Debug().Msg(line) }
	if mode != progress.Quiet && mode != progress.None {
		report = func(line string) { in.log.Info().Msg(line) }
	}
	return builders.Proxy{
		Definition: c.strict(definition),
		Platform:   platform,
		Access:     in.access(),
		Report:     report,
		Log:        in.log,
	}.Run(in.ctx, in.in, in.data)
}
