package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/slipway-build/slipway/agent/cluster/kube"
	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/cmd/slipway/model"
	"github.com/slipway-build/slipway/internal/fault"
)

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"The command (default: all commands)."`
}

// Run prints what --help of the command prints.
func (c *helpCmd) Run(parser *kong.Kong) error {
	context, err := kong.Trace(parser, c.Command)
	if err == nil {
		err = context.Error
	}
	if err != nil {
		return commandLineError(err)
	}
	return context.PrintUsage(false)
}

// commandLineError is the error of a command line that cannot be parsed.
func commandLineError(err error) error {
	hints := []string{}
	if strings.Contains(err.Error(), `expected "<context>"`) {
		hints = append(hints, "CONTEXT is the directory to build: . is the one that you are in")
	}
	return &usageError{err: err, hints: append(hints, helpHint(err))}
}

// helpHint says which help has what the command line lacks: that of the command that
// was recognized, else that of the program.
func helpHint(err error) string {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil || parse.Context.Selected() == nil {
		return "slipway --help lists the commands, slipway COMMAND --help a command's flags"
	}
	node := parse.Context.Selected()
	if len(node.Children) > 0 {
		return "slipway " + model.CommandName(node) + " --help lists its commands"
	}
	return "slipway " + model.CommandName(node) + " --help lists its arguments and flags"
}

// nothingGiven answers a command line that names a command and nothing else: a
// group of commands and the program itself with their help, which is all that
// was asked for; a command that needs an argument with a short one on standard
// error, before its error. done is true where nothing is left to do.
func nothingGiven(args []string, failed error, std streams) (done bool) {
	var parse *kong.ParseError
	if !errors.As(failed, &parse) || parse.Context == nil || parse.Context.Error != nil {
		return false
	}
	context := parse.Context
	node := context.Model.Node
	if selected := context.Selected(); selected != nil {
		node = selected
	}
	if node.Parent != nil && len(args) != len(strings.Fields(model.CommandName(node))) || node.Parent == nil && len(args) > 0 {
		return false
	}
	if len(node.Children) > 0 {
		return context.PrintUsage(false) == nil
	}
	if wantsJSON(args, "") {
		return false
	}
	text := "Usage: slipway " + node.Summary() + "\n\n" + node.Help + "\n\n"
	if examples := model.ExamplesOf(model.CommandName(node)); examples != "" {
		text += "Examples:\n\n    " + strings.ReplaceAll(examples, "\n", "\n    ") + "\n\n"
	}
	_, _ = io.WriteString(std.err, text) // the error that follows says it too
	return false
}

// kubeContextHint is for a directory that was given as --context: that is a
// context of the kubeconfig.
const kubeContextHint = "--context is a context of the kubeconfig; the directory to build is an argument: slipway build %s"

// refuseDirectory ends a command whose --context is written as a directory is.
func refuseDirectory(context string) error {
	if !isDirectory(context) || !strings.HasPrefix(context, ".") && !strings.Contains(context, "/") {
		return nil
	}
	return &usageError{err: fmt.Errorf("--context %q: is a directory", context), hints: []string{fmt.Sprintf(kubeContextHint, context)}}
}

// explainContext adds to an error of the identity that --context may have been
// meant as a directory.
func explainContext(err error, context string) error {
	if err == nil || !isDirectory(context) || !fleet.IsReason(err, kube.ReasonIdentity) {
		return err
	}
	return &advised{err, fmt.Sprintf(kubeContextHint, context)}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return path != "" && err == nil && info.IsDir()
}

// advised is an error with one more hint.
type advised struct {
	error
	hint string
}

func (e *advised) Unwrap() error { return e.error }

// Hints are those of the error, then the one that was added.
func (e *advised) Hints() []string { return append(fault.Hints(e.error), e.hint) }
