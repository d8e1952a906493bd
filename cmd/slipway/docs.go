package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/slipway-build/slipway/cmd/slipway/model"
	"github.com/slipway-build/slipway/internal/reference"
	"github.com/slipway-build/slipway/internal/variables"
)

// docsCmd writes the references of all commands and variables from the model of
// the command line. It is hidden: docs/commands.md, docs/variables.md and a
// release hold what it writes.
type docsCmd struct {
	Dir    string `arg:"" help:"Directory to write to; it is made if it is missing."`
	Format string `enum:"markdown,man" default:"markdown" help:"markdown for commands.md and variables.md, man for a man page of each command (${enum})."`
	Date   string `placeholder:"YYYY-MM-DD" help:"Date in the man pages (default: none)."`
}

// Help is shown by --help.
func (c *docsCmd) Help() string {
	return "The files depend on the program and the flags alone: the same program writes the same bytes."
}

// Run writes the files.
func (c *docsCmd) Run(_ *invocation, parsed *kong.Context) error {
	if _, err := time.Parse(time.DateOnly, c.Date); c.Date != "" && err != nil {
		return &usageError{err: fmt.Errorf("--date: %w", err)}
	}
	files := map[string]string{}
	root := model.PageOf(parsed.Model.Node, model.ExamplesOf)
	if c.Format == "man" {
		for _, p := range root.WithCommands() {
			files[p.ManName()+".1"] = p.Roff(version, c.Date, exitCodes)
		}
	} else {
		files["commands.md"] = root.Markdown(exitCodes)
		files["variables.md"] = reference.Variables(model.OwnVariables(parsed.Model), variables.All)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return &usageError{err: err}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o644); err != nil {
			return &usageError{err: err}
		}
	}
	return nil
}

// exitCodes are the meanings of exit codes, as the README has them.
var exitCodes = []reference.ExitCode{
	{Code: "0", Meaning: "done"},
	{Code: strconv.Itoa(exitBuild), Meaning: "the build failed: the Dockerfile or the code", Retry: "no"},
	{Code: strconv.Itoa(exitUsage), Meaning: "a wrong flag, file or definition, found before anything was touched, or an output that cannot be written", Retry: "no"},
	{Code: strconv.Itoa(exitCluster), Meaning: "the cluster: identity, rights, capacity, builder not ready or with answers that are not valid", Retry: "yes"},
	{Code: strconv.Itoa(exitLost), Meaning: "the builder was lost in mid-build, more than twice", Retry: "yes"},
	{Code: strconv.Itoa(exitRegistry), Meaning: "the registry: credential, pull, push", Retry: "yes"},
	{Code: strconv.Itoa(exitInternal), Meaning: "a fault of Slipway itself"},
	{Code: strconv.Itoa(exitCancel) + ", 143", Meaning: "cancelled by SIGINT, SIGTERM"},
}
