package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/configmap"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// rmCmd has the flags of docker buildx rm, name for name.
type rmCmd struct {
	Names []string `arg:"" name:"builder" optional:"" help:"The builders (default: --builder, else the only one defined or the one that slipway use has selected)."`

	Force        bool          `short:"f" help:"Do not ask, and remove builders even while builds run on them, which their pods finish before they end."`
	KeepState    bool          `help:"Keep the persistent claims with the caches, as is done anyway."`
	KeepDaemon   bool          `help:"Remove the definition alone, and leave what runs in the cluster."`
	DeleteClaims bool          `help:"Remove the persistent claims with the caches as well."`
	AllInactive  bool          `help:"Remove all builders of which no node has a pod: those that are absent or scaled to zero."`
	Timeout      time.Duration `default:"20s" help:"How long a builder may take to answer."`
}

// Help is shown by --help.
func (c *rmCmd) Help() string {
	return "Removes what Slipway made of the builders in the cluster and their definitions, if these are files that can be removed; a mounted ConfigMap stays. What others made is never removed. It takes rights of its own, which the error names if they are missing. At a terminal it asks first. Without one it does what docker buildx does for builders that are named and were defined by create in buildx's own directory; all else takes --force, or, with --all-inactive, an answer on standard input."
}

// removal is what is to go of one builder.
type removal struct {
	definition configmap.Definition
	plan       builders.Removal
	// file is the definition's, empty where it stays.
	file string
}

// Run finds out everything first, asks, and then removes.
func (c *rmCmd) Run(in *invocation) error {
	if err := c.check(); err != nil {
		return err
	}
	definitions, done, err := c.ofJob(in)
	if err != nil || done {
		return err
	}
	if len(definitions) == 0 {
		in.log.Info().Msg("no builder is inactive")
		return nil
	}
	place, err := configmap.Locate(in.places())
	if err != nil {
		return &usageError{err: err}
	}
	var all []removal
	var question strings.Builder
	for _, d := range definitions {
		r := removal{definition: d}
		if r.file, err = configmap.RemovableFile(in.files, place, d.Name); err != nil {
			return &usageError{err: err}
		}
		if !c.KeepDaemon && in.ownsWorkloads(d) {
			r.plan, err = builders.Remove{Definition: d, Access: in.access(), Claims: c.DeleteClaims, Busy: c.Force, Timeout: c.Timeout, Log: in.log}.Plan(in.ctx)
			if err != nil {
				return err
			}
		}
		question.WriteString(r.question())
		all = append(all, r)
	}
	if yes, err := c.confirm(in, place, all, question.String()+"Are you sure?"); err != nil || !yes {
		return err
	}
	for _, r := range all {
		if err := r.run(in, place); err != nil {
			return err
		}
		if in.called.docker() {
			if err := in.job().Forget(r.definition.Name); err != nil {
				return &usageError{err: fault.ExplainAgent(err)}
			}
		}
	}
	return nil
}

// check refuses flags that exclude each other.
func (c *rmCmd) check() error {
	switch {
	case c.KeepState && c.DeleteClaims:
		return &usageError{err: errors.New("--keep-state and --delete-claims exclude each other")}
	case c.KeepDaemon && c.DeleteClaims:
		return &usageError{err: errors.New("--keep-daemon and --delete-claims exclude each other")}
	case c.AllInactive && len(c.Names) > 0:
		return &usageError{err: errors.New("--all-inactive takes no names of builders")}
	}
	return checkTimeout(c.Timeout)
}

// confirm asks before anything is removed, where docker buildx does not or the
// loss is not easily made good.
func (c *rmCmd) confirm(in *invocation, place string, all []removal, question string) (bool, error) {
	_, terminal := in.inputTerminal()
	switch {
	case c.Force, in.called.docker(): // docker does not ask, and the job has made all of them
		return true, nil
	case c.AllInactive:
		return in.confirmPiped(question)
	case !terminal && len(c.Names) > 0 && !c.DeleteClaims && in.places().OfBuildx(place) &&
		!slices.ContainsFunc(all, func(r removal) bool { return r.file == "" }):
		// A job removes the builder that it has created, which buildx does
		// without a question. A file that somebody has named may be in a
		// repository, and what is mounted is everybody's.
		return true, nil
	}
	return in.confirm(question)
}

// question says what is to go.
func (r removal) question() string {
	parts := r.plan.Objects()
	if r.file != "" {
		parts = append(parts, "its definition "+r.file)
	}
	if len(parts) == 0 {
		return sanitize.Sprintf("This will remove builder %q. ", r.definition.Name)
	}
	return sanitize.Sprintf("This will remove builder %q: %s. ", r.definition.Name, strings.Join(parts, ", "))
}

// definitions are those of the builders, each once.
func (c *rmCmd) definitions(in *invocation) ([]configmap.Definition, error) {
	if c.AllInactive {
		return c.inactive(in)
	}
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

// inactive are the builders of which no node has a pod. Those that do not tell
// are left: what one agent cannot reach another one may be building on.
func (c *rmCmd) inactive(in *invocation) ([]configmap.Definition, error) {
	set, err := in.load()
	if err != nil {
		return nil, err
	}
	if broken := set.Broken(); broken != nil {
		in.log.Warn().Msgf("left alone, for its definition has mistakes: %v", broken)
	}
	list, err := builders.List{Definitions: set.Definitions(), Access: in.access(), Timeout: c.Timeout, Log: in.log}.Run(in.ctx)
	if err != nil {
		return nil, err
	}
	var all []configmap.Definition
	for i, d := range set.Definitions() {
		switch why := list[i].Active(); why {
		case "":
			all = append(all, d)
		default:
			in.log.Info().Msgf("builder %q stays: %s", d.Name, why)
		}
	}
	return all, nil
}

// run removes a builder and says what went.
func (r removal) run(in *invocation, place string) error {
	err := r.plan.Run(in.ctx, func(object string) { in.log.Info().Msg("removed " + object) })
	if err != nil {
		return err
	}
	for _, kept := range r.plan.Kept() {
		in.log.Info().Msg(kept)
	}
	removed, err := configmap.RemovePath(in.files, place, r.definition.Name)
	if err != nil {
		return &usageError{err: err}
	}
	if removed {
		in.log.Info().Msg("removed definition " + r.definition.File)
	} else {
		in.log.Warn().Msgf("the definition in %s stays: it is mounted or may not be changed here; while it is there, a build makes the builder again", r.definition.File)
	}
	_, err = sanitize.Fprintf(in.err, "%s removed\n", r.definition.Name)
	return err
}
