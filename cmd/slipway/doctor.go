package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/doctor"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/registry"
)

type doctorCmd struct {
	Name   string   `arg:"" name:"builder" optional:"" help:"The builder to look at (default: --builder, else the only one defined)."`
	Image  []string `sep:"none" placeholder:"IMAGE" help:"An image that is to be pushed: ask its registry for the right to."`
	Up     bool     `help:"Start the builder first, as slipway up does."`
	Slower float64  `default:"1" env:"SLIPWAY_DOCTOR_SLOWER" placeholder:"FACTOR" help:"Give every check FACTOR times its usual time, on a cluster that is known to be slow."`
	Format string   `enum:"table,json" default:"table" help:"Output format (${enum})."`
	registryFlags
}

// Help is shown by --help.
func (c *doctorCmd) Help() string {
	return "Looks at everything a build needs, in the order in which one thing needs another, and says what is wrong and what to do about it. Nothing in the cluster is changed without --up. The exit code is 0 when a build should succeed, else that of the first failure: 2 definition, 3 cluster, 5 registry."
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
	if err := c.registries(in, &d); err != nil {
		return err
	}
	if c.Up {
		c.up(in, d)
	}
	checks, verdict := d.Run(in.ctx)
	var err error
	if c.Format == "json" {
		encoder := json.NewEncoder(in.output(formatJSON))
		encoder.SetIndent("", "  ")
		err = encoder.Encode(checks)
	} else {
		err = printChecks(in.out, checks)
	}
	if err != nil {
		return err
	}
	return verdict
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
	target, err := parseAuthTarget(value)
	if err == nil && !target.named {
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

// verdictWords are what a person reads; a failure must stand out.
var verdictWords = map[doctor.Verdict]string{
	doctor.VerdictOK:      "ok",
	doctor.VerdictWarning: "warning",
	doctor.VerdictFailed:  "FAIL",
	doctor.VerdictSkipped: "skipped",
}

// printChecks prints a line for every check and below it its hints.
func printChecks(w io.Writer, checks []doctor.Check) error {
	width := 0
	for _, c := range checks {
		width = max(width, len(checkTitle(c)))
	}
	var out bytes.Buffer
	for _, c := range checks {
		sanitize.Fprintf(&out, "%-*s  %-7s  %s\n", width, checkTitle(c), verdictWords[c.Verdict], sanitize.Indent(c.Detail, "    "))
		for _, hint := range c.Hints {
			out.WriteString("    hint: " + sanitize.Indent(hint, "") + "\n") // its other lines are to paste
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func checkTitle(c doctor.Check) string {
	if c.About == "" {
		return c.Probe
	}
	return c.Probe + " [" + c.About + "]"
}
