package main

import (
	"embed"
	"io/fs"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"

	"github.com/slipway-build/slipway/cmd/slipway/model"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// Scripts hold one template per shell, named after it.
//
//go:embed completions
var completions embed.FS

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell to print the script for (${enum})."`
}

// Help is shown by --help.
func (c *completionCmd) Help() string {
	return "Load it in the running shell with:  source <(slipway completion bash), the same with zsh after compinit, and slipway completion fish | source."
}

// Run prints a script with all commands and flags in it, so that completing
// costs no start of slipway.
func (c *completionCmd) Run(in *invocation, parsed *kong.Context) error {
	scripts, err := fs.Sub(completions, "completions")
	if err != nil {
		return err
	}
	script, err := template.New(c.Shell+".tmpl").
		Funcs(template.FuncMap{"join": strings.Join, "quote": shellQuote}).
		ParseFS(scripts, c.Shell+".tmpl")
	if err != nil {
		return err
	}
	return script.Execute(in.data, model.Completables(parsed.Model.Node))
}

// completeCmd prints what scripts cannot know. It is hidden, and asks no cluster.
type completeCmd struct {
	What string `arg:"" enum:"builders" help:"What to print (${enum})."`
}

// Run prints the names of the builders that are defined, each on a line; none
// where definitions cannot be read.
func (c *completeCmd) Run(in *invocation) error {
	set, err := in.load()
	if err != nil {
		in.log.Debug().Err(err).Msg("nothing to complete")
		return nil
	}
	for _, d := range set.Definitions() {
		if _, err := sanitize.Fprintln(in.out, d.Name); err != nil {
			return err
		}
	}
	return nil
}

// shellQuote makes a single-quoted word of bash, zsh and fish alike.
func shellQuote(s string) string {
	return "'" + strings.NewReplacer("'", "’", "\n", " ").Replace(s) + "'"
}
