package main

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/cmd/slipway/detailview"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/source"
)

type inspectCmd struct {
	Name      string        `arg:"" name:"builder" optional:"" help:"The builder (default: --builder, else the only one defined or the one that slipway use has selected)."`
	Bootstrap bool          `help:"Start the builder first, as slipway up does."`
	Timeout   time.Duration `default:"20s" help:"How long a node may take to answer."`
	Format    string        `default:"text" values:"text,json" placeholder:"FORMAT" help:"Output format: text, json, or a Go template with the fields of docker buildx ls --format json."`
	Progress  string        `default:"auto" env:"SLIPWAY_PROGRESS,BUILDKIT_PROGRESS" placeholder:"MODE" help:"Type of progress output of --bootstrap: auto, plain, tty, rawjson, quiet, none."`
}

// Help is shown by --help.
func (c *inspectCmd) Help() string {
	return "Prints what docker buildx inspect does, under the same labels, and the pods of each node: where they run and since when, how they are reached, their caches and active builds. A platform with a * is one that the definition declares."
}

// Run prints the builder.
func (c *inspectCmd) Run(in *invocation) error {
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		return &usageError{err: fmt.Errorf("--progress: %w", err)}
	}
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	template, err := parseFormat(c.Format, builders.BuildxBuilder{}, "text", formatJSON)
	if err != nil {
		return err
	}
	if template != nil && template.IsTable() {
		return &usageError{
			err:   fmt.Errorf("--format %q: inspect shows one builder and has no table", c.Format),
			hints: []string{"leave out the word table, or use slipway ls --builder NAME --format"},
		}
	}
	definition, err := in.definition(cmp.Or(c.Name, in.global.Builder))
	if err != nil {
		return err
	}
	if c.Bootstrap {
		// Who only looks changes nothing that is there, unless the definition
		// says so.
		if err := in.bootstrap(definition.WithDrift("", configmap.DriftWarn), mode); err != nil {
			return err
		}
	}
	details, err := builders.Inspect{Definition: definition, Access: in.access(), Timeout: c.Timeout, Log: in.log}.Run(in.ctx)
	if err != nil {
		return err
	}
	options := in.driverOptions(definition)
	for i := range details.Nodes {
		details.Nodes[i].DriverOpts = options[details.Nodes[i].Name]
	}
	switch {
	case c.Format == formatJSON:
		return in.printJSON(details)
	case template != nil:
		return writeTemplate(in.out, template, nil, []any{details.Buildx(definition, options, true)})
	}
	if in.called.docker() { // scripts look for buildx's words
		for i := range details.Nodes {
			details.Nodes[i].Status = details.Nodes[i].Status.Buildx()
		}
	}
	return detailview.Print(in.out, details, definition, time.Now())
}

// checkTimeout refuses what would end before it begins.
func checkTimeout(timeout time.Duration) error {
	if timeout < 0 {
		return &usageError{err: fmt.Errorf("--timeout %s: must not be negative; 0 is no limit", timeout)}
	}
	return nil
}

// driverOptions are the options of each node as the definition has them, but
// for what looks like a secret. The definition was read before; what cannot be
// read again is left out.
func (in *invocation) driverOptions(d configmap.Definition) map[string]map[string]string {
	data, err := in.files.Read(d.File, source.MaxConfig)
	if err != nil {
		in.log.Debug().Err(err).Msg("the driver options are not shown")
		return nil
	}
	instances, _, err := configmap.ReadInstances(d.File, data)
	if err != nil {
		in.log.Debug().Err(err).Msg("the driver options are not shown")
		return nil
	}
	all := make(map[string]map[string]string)
	for _, instance := range instances {
		if !strings.EqualFold(instance.Name, d.Name) {
			continue
		}
		for _, node := range instance.Nodes {
			shown := maps.Clone(node.DriverOpts)
			for _, name := range (configmap.DriverOpts{Values: node.DriverOpts}).Secrets() {
				shown[name] = "***"
			}
			all[node.Name] = shown
		}
	}
	return all
}
