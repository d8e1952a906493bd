package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent"
	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/cmd/slipway/kaniko"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/remote"
)

// The names of kaniko's programs.
const (
	executorName = "executor"
	warmerName   = "warmer"
)

func (c called) kaniko() bool { return c == executorName || c == warmerName }

// executor is a build by the command line of kaniko's executor; nil for any other.
type executor struct {
	plan kaniko.Plan
	// checked says that the destinations may be pushed to; refused that they may not.
	checked, refused bool
	made             *report.Report
}

// executor translates the command line of kaniko's executor, and gives docker's config.json
// the place that kaniko has for it. Other command lines stay as they are.
func (c called) executor(args []string, env *environment) (*executor, []string, error) {
	if c == warmerName {
		return nil, nil, &usageError{err: errors.New("warmer: builders keep the base images that they have pulled"), hints: []string{"leave the step out"}}
	}
	if c != executorName {
		return nil, args, nil
	}
	own := platforms.DefaultSpec()
	plan, err := kaniko.Translate(args, kaniko.Surroundings{
		Lookup:   env.lookup,
		Platform: platforms.Format(platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: own.Architecture, Variant: own.Variant})),
	})
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	env.DockerConfig = plan.DockerConfig(env.DockerConfig)
	return &executor{plan: plan}, append(plan.Args, "."), nil
}

// run builds: what kaniko does before and after is done around it.
func (e *executor) run(in *invocation, c *buildCmd) (err error) {
	for _, note := range e.plan.Notes {
		in.log.Info().Msg(note)
	}
	for _, warning := range e.plan.Warnings {
		in.log.Warn().Msg(warning)
	}
	around := &kaniko.Around{Plan: e.plan, WorkDir: in.workdir, Files: in.files}
	defer func() { err = errors.Join(err, around.Close()) }()
	prepared, err := around.Prepare(in.ctx)
	if err != nil {
		return fault.With(fault.ClassUsage, err)
	}
	c.executor, c.Context, c.File, in.trusted = e, prepared.Context, prepared.Dockerfile, prepared.Trusted
	if c.ContextKey == "" && prepared.Key != "" {
		id, _ := in.env.CI.Identify()
		c.ContextKey = id.Repository + " " + prepared.Key
	}
	in.secrets.hideValues(in.env.variable("GIT_TOKEN"), in.env.variable("GIT_PASSWORD"))
	lookup := in.env.lookup
	in.env.lookup = func(name string) (string, bool) {
		if value, ok := prepared.Variables[name]; ok {
			return value, true
		}
		return lookup(name)
	}
	if err := e.build(in, c); err != nil {
		kaniko.Rename(err)
		return err
	}
	image := e.made.Outcome.Image
	switch {
	case len(e.plan.Files) == 0:
		return nil
	case image == nil:
		return fmt.Errorf("%s: the builder has not said which image it has made", e.plan.Files[0].Flag)
	}
	return around.Write(in.ctx, image.Digest.String())
}

// build builds, again where a registry has failed.
func (e *executor) build(in *invocation, c *buildCmd) error {
	for try, wait := 0, time.Second; ; try, wait = try+1, 2*wait {
		err := c.Run(in)
		if err == nil || try >= e.plan.Retries || e.refused || fault.ClassOf(err) != fault.ClassRegistry {
			return err
		}
		in.log.Warn().Err(err).Msgf("the build is tried again in %s (%d of %d)", wait, try+1, e.plan.Retries)
		select {
		case <-in.ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// ready is called before the builders are looked for, with what speaks to registries: as
// kaniko does it checks the right to push. A build by another command line has nothing to
// check.
func (e *executor) ready(in *invocation, client *remote.Client, definition configmap.Definition) error {
	if e == nil || e.checked {
		return nil
	}
	hosts, err := agent.RegistryHosts(definition)
	if err != nil {
		return err
	}
	mirrors, err := agent.RegistryMirrors(definition)
	if err != nil {
		return err
	}
	for _, warning := range e.plan.RegistryWarnings(hosts, mirrors) {
		in.log.Warn().Msg(warning)
	}
	for _, repository := range e.plan.Check {
		if err := client.Check(in.ctx, repository, true); err != nil {
			e.refused = true
			return fault.With(fault.ClassRegistry, fmt.Errorf("check that %s may be pushed to: %w", repository, err))
		}
	}
	e.checked = true
	return nil
}

// succeeded notes what was built.
func (e *executor) succeeded(made *report.Report) {
	if e != nil {
		e.made = made
	}
}

// answerKaniko answers what needs no build: help and the version.
func (c called) answerKaniko(args []string, out io.Writer) (done bool, err error) {
	switch {
	case c != executorName || len(args) != 1:
		return false, nil
	case slices.Contains([]string{"--help", "-h", "help"}, args[0]):
		_, err = io.WriteString(out, kaniko.Help())
	case args[0] == "version":
		_, err = io.WriteString(out, versionLine()+"\n")
	default:
		return false, nil
	}
	return true, err
}
