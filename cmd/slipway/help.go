package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	return &usageError{err: err, hints: append(hints, "slipway --help lists the commands, slipway COMMAND --help a command's flags")}
}

// examplesText holds the examples of all commands.
//
//go:embed examples.txt
var examplesText string

// examplesOf are the examples of a command by its name, such as "index create":
// lines to type, each below a comment. It is empty for a command without any.
func examplesOf(command string) string {
	_, rest, found := strings.Cut(examplesText, "\n== "+command+"\n")
	if !found {
		return ""
	}
	text, _, _ := strings.Cut(rest, "\n== ")
	return strings.TrimSpace(text)
}

// flagGroups are the titles below which help lists the flags of commands that
// have many. A flag without a group is listed first.
var flagGroups = map[string][]struct {
	title string
	flags []string
}{
	"build": {
		{"Dockerfile and context:", []string{"file", "target", "build-arg", "build-context", "platform"}},
		{"Result:", []string{"tag", "output", "push", "load", "label", "annotation", "attest", "provenance", "sbom", "metadata-file", "iidfile"}},
		{"Cache:", []string{"no-cache", "no-cache-filter", "pull", "cache-from", "cache-to", "context-key", "context-mtime", "context-cache"}},
		{"Secrets and registries:", []string{"secret", "ssh", "registry-auth", "registry-secrets", "registry-allow"}},
		{"Steps:", []string{"add-host", "network", "shm-size", "ulimit", "cgroup-parent", "allow"}},
		{"Log:", []string{"progress", "quiet", "raw-output", "debug-timing"}},
		{"Instead of a build:", []string{"call", "check", "dry-run", "show-build-args"}},
	},
}

// littleGlobal are the commands, or what their names begin with, for which no
// global flag matters much.
var littleGlobal = []string{"version", "completion", "help", "login", "logout", "definition"}

// placeFlags are the global flags that say where builders are, which matter to
// all other commands. The rest is named in a line.
var placeFlags = []string{"builder", "definitions", "kubeconfig", "context", "transport"}

// group puts the flags into their groups.
func group(app *kong.Application) {
	for _, node := range model.Nodes(app.Node) {
		for _, g := range flagGroups[model.CommandName(node)] {
			shared := &kong.Group{Key: g.title, Title: g.title}
			for _, flag := range node.Flags {
				if slices.Contains(g.flags, flag.Name) {
					flag.Group = shared
				}
			}
		}
	}
}

// printHelp prints the help of the selected command: kong's, with examples
// before the flags, and after them the global flags, those that matter little in
// one line.
func printHelp(options kong.HelpOptions, context *kong.Context) error {
	node := context.Selected()
	if node == nil {
		return kong.DefaultHelpPrinter(options, context)
	}
	name, detail, flags := model.CommandName(node), node.Detail, node.Flags
	defer func() { node.Detail, node.Flags = detail, flags }()
	if examples := examplesOf(name); examples != "" {
		// What is indented stays as it is.
		node.Detail = strings.TrimSpace(detail+"\n\nExamples:\n\n\t"+strings.ReplaceAll(examples, "\n", "\n\t")) + "\n"
	}
	little := slices.ContainsFunc(littleGlobal, func(prefix string) bool {
		return name == prefix || strings.HasPrefix(name, prefix+" ")
	})
	node.Flags = slices.Clone(flags)
	var named []string
	for _, flag := range context.Model.Flags {
		if flag.Hidden {
			continue
		}
		if !little && slices.Contains(placeFlags, flag.Name) {
			shown := *flag
			node.Flags = append(node.Flags, &shown)
		} else {
			named = append(named, "--"+flag.Name)
		}
		flag.Hidden = true
		defer func() { flag.Hidden = false }()
	}
	if err := kong.DefaultHelpPrinter(options, context); err != nil {
		return err
	}
	_, err := io.WriteString(context.Stdout, "\nAlso, see slipway --help:\n  "+strings.Join(named, " ")+"\n")
	return err
}

// flagVariables adds to the help of a flag the variables that it can be given
// by.
func flagVariables(value *kong.Value) string {
	if value.Flag == nil || len(value.Flag.Envs) == 0 {
		return value.Help
	}
	return strings.TrimSuffix(value.Help, ".") + " ($" + strings.Join(value.Flag.Envs, ", $") + ")."
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
	if examples := examplesOf(model.CommandName(node)); examples != "" {
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
