package main

import (
	"errors"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// rmCmd has the flags of docker buildx rm, name for name.
type rmCmd struct {
	Names []string `arg:"" name:"builder" optional:"" help:"The builders (default: --builder, else the only one defined)."`

	Force        bool          `short:"f" help:"Do not ask, and remove builders even while builds run on them, which their pods finish before they end."`
	KeepState    bool          `help:"Keep the persistent claims with the caches, as is done anyway."`
	KeepDaemon   bool          `help:"Remove the definition alone, and leave what runs in the cluster."`
	DeleteClaims bool          `help:"Remove the persistent claims with the caches as well."`
	Timeout      time.Duration `default:"20s" help:"How long a builder may take to answer."`

	AllInactive bool `hidden:"" refused:"name the builders: what is inactive to one agent may be asleep until another one needs it"`
}

// Help is shown by --help.
func (c *rmCmd) Help() string {
	return "Removes what Slipway made of the builders in the cluster and their definitions, if these are files that can be removed; a mounted ConfigMap stays. What others made is never removed. It takes rights of its own, which the error names if they are missing."
}

// Run finds out everything first, asks, and then removes.
func (c *rmCmd) Run(in *invocation) error {
	if c.KeepState && c.DeleteClaims {
		return &usageError{err: errors.New("--keep-state and --delete-claims exclude each other")}
	}
	if c.KeepDaemon && c.DeleteClaims {
		return &usageError{err: errors.New("--keep-daemon and --delete-claims exclude each other")}
	}
	if err := checkTimeout(c.Timeout); err != nil {
		return err
	}
	definitions, err := c.definitions(in)
	if err != nil {
		return err
	}
	plans := make([]builders.Removal, len(definitions))
	var question strings.Builder
	for i, d := range definitions {
		if !c.KeepDaemon {
			plans[i], err = builders.Remove{Definition: d, Access: in.access(), Claims: c.DeleteClaims, Busy: c.Force, Timeout: c.Timeout, Log: in.log}.Plan(in.ctx)
			if err != nil {
				return err
			}
		}
		sanitize.Fprintf(&question, "This will remove builder %q", d.Name)
		if objects := plans[i].Objects(); len(objects) > 0 {
			question.WriteString(": " + strings.Join(objects, ", "))
		}
		question.WriteString(". ")
	}
	if !c.Force {
		if yes, err := in.confirm(question.String() + "Are you sure?"); err != nil || !yes {
			return err
		}
	}
	for i, d := range definitions {
		if err := c.remove(in, d, plans[i]); err != nil {
			return err
		}
	}
	return nil
}

// definitions are those of the builders, each once.
func (c *rmCmd) definitions(in *invocation) ([]configmap.Definition, error) {
	names := c.Names
	if len(names) == 0 {
		names = []string{in.global.Builder}
	}
	var all []configmap.Definition
	known := make(map[string]bool)
	for _, name := range names {
		d, err := in.definition(name)
		if err != nil {
			return nil, err
		}
		if !known[d.Name] {
			all = append(all, d)
		}
		known[d.Name] = true
	}
	return all, nil
}

func (c *rmCmd) remove(in *invocation, d configmap.Definition, plan builders.Removal) error {
	err := plan.Run(in.ctx, func(object string) { in.log.Info().Msg("removed " + object) })
	if err != nil {
		return err
	}
	for _, kept := range plan.Kept() {
		in.log.Info().Msg(kept)
	}
	path, err := configmap.Locate(in.places())
	if err != nil {
		return &usageError{err: err}
	}
	removed, err := configmap.RemovePath(in.files, path, d.Name)
	if err != nil {
		return &usageError{err: err}
	}
	if !removed {
		in.log.Warn().Msgf("the definition in %s stays: it is mounted or may not be changed here; while it is there, a build makes the builder again", d.File)
	}
	_, err = sanitize.Fprintf(in.err, "%s removed\n", d.Name)
	return err
}
