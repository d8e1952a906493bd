package main

import (
	"cmp"
	"errors"
	"io"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/doctor"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/cmd/slipway/authview"
	"github.com/slipway-build/slipway/cmd/slipway/checktable"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/color"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry"
)

type doctorCmd struct {
	Name   string   `arg:"" name:"builder" optional:"" help:"The builder to look at (default: --builder, else the only one defined or the one that slipway use has selected)."`
	Image  []string `sep:"none" placeholder:"IMAGE" help:"An image that is to be pushed: ask its registry for the right to."`
	Up     bool     `help:"Start the builder first, as slipway up does."`
	Slower float64  `default:"1" env:"SLIPWAY_DOCTOR_SLOWER" placeholder:"FACTOR" help:"Give every check FACTOR times its usual time, on a cluster that is known to be slow."`
	RBAC   bool     `name:"rbac" help:"Print YAML of the roles that grant all rights that a build lacks, of all nodes, and nothing else."`
	Format string   `enum:"table,json" default:"table" help:"Output format (${enum})."`
	registryFlags
}

// Help is shown by --help.
func (c *doctorCmd) Help() string {
	return "Looks at everything a build needs, in the order in which one thing needs another, and says what is wrong and what to do about it. Nothing in the cluster is changed without --up. What --rbac prints is for kubectl apply -f - by whoever administers the cluster. The exit code is 0 when a build should succeed, else that of the first failure: 2 definition, 3 cluster, 5 registry."
}

// Run looks and tells.
func (c *doctorCmd) Run(in *invocation) error {
	name := cmp.Or(c.Name, in.global.Builder)
	d := doctor.Doctor{
		Definition: func() (configmap.Definition, error) { return in.selected(name) },
		Access:     in.access(),
		Workspace:  ".",
		Slower:     c.Slower,
		Log:        in.log,
	}
	if c.RBAC {
		return c.printRoles(in, d)
	}
	if err := c.registries(in, &d); err != nil {
		return err
	}
	if c.Up {
		c.up(in, d)
	}
	if c.Format == formatJSON {
		checks, verdict := d.Run(in.ctx)
		if err := in.printJSON(append(checks, doctor.Summary(checks, verdict))); err != nil {
			return err
		}
		return verdict
	}
	table := &checktable.Table{Out: in.out, Paint: in.painter()}
	d.Reporter = table
	checks, verdict := d.Run(in.ctx)
	if verdict == nil {
		table.Line(table.Paint.Paint(color.Good, doctor.Ready(checks)))
	}
	return cmp.Or(table.Err, verdict)
}

// printRoles prints what kubectl apply takes.
func (c *doctorCmd) printRoles(in *invocation, d doctor.Doctor) error {
	if c.Up || len(c.Image) > 0 || c.Format == formatJSON {
		return &usageError{err: errors.New("--rbac prints roles and nothing else: leave out --up, --image and --format")}
	}
	roles, err := d.Roles(in.ctx)
	switch {
	case err != nil:
		return err
	case roles == "":
		in.log.Info().Msg("no right is missing")
		return nil
	}
	_, err = io.WriteString(in.out, roles+"\n")
	return err
}

// selected returns a definition and leaves its warnings to the doctor.
func (in *invocation) selected(name string) (configmap.Definition, error) {
	set, err := in.load()
	if err != nil {
		return configmap.Definition{}, err
	}
	d, err := set.Select(name)
	if err != nil {
		return configmap.Definition{}, &usageError{err: err}
	}
	return d, nil
}

// registries hands the doctor what it needs for the images.
func (c *doctorCmd) registries(in *invocation, d *doctor.Doctor) error {
	if len(c.Image) == 0 {
		return nil
	}
	var all fault.List
	d.Images = fault.Each(&all, c.Image, parsePushed)
	if len(all) > 0 {
		return &usageError{err: all}
	}
	keychain, err := in.keychain(c.registryFlags, c.Image)
	if err != nil {
		return err
	}
	definitions, err := in.optionalDefinitions()
	if err != nil { // the doctor tells what is wrong with them
		in.log.Debug().Err(err).Msg("no definitions that say how registries are reached")
	}
	d.Credentials = keychain
	d.Registry, err = in.registryClient(keychain, nil, definitions...)
	return err
}

// parsePushed parses an image that is to be pushed.
func parsePushed(value string) (registry.Request, error) {
	target, err := authview.ParseTarget(value)
	if err == nil && !target.Named {
		err = &fault.Usage{Flag: "--image", Value: value, Problem: "is a registry; a right is one to a repository: name one"}
	}
	return target.Request, err
}

// up starts the builder. Why it does not start is for the doctor to find out.
func (c *doctorCmd) up(in *invocation, d doctor.Doctor) {
	definition, err := d.Definition()
	if err == nil {
		err = builders.Up{Definition: definition.WithDrift("", configmap.DriftWarn), Access: d.Access, Terminal: in.terminal, Mode: progress.Plain, Log: in.log}.Run(in.ctx)
	}
	if err != nil {
		in.log.Debug().Err(err).Msg("the builder does not start")
	}
}
