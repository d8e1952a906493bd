package model

import (
	_ "embed"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// examplesText holds the examples of all commands.
//
//go:embed examples.txt
var examplesText string

// ExamplesOf are the examples of a command by its name, such as "index create":
// lines to type, each below a comment. It is empty for a command without any.
func ExamplesOf(command string) string {
	_, rest, found := strings.Cut(examplesText, "\n== "+command+"\n")
	if !found {
		return ""
	}
	text, _, _ := strings.Cut(rest, "\n== ")
	return strings.TrimSpace(text)
}

// WithExamples returns the names of the commands that have examples.
func WithExamples() []string {
	var names []string
	for line := range strings.Lines(examplesText) {
		if name, ok := strings.CutPrefix(line, "== "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// flagGroups are the titles below which help lists the flags of commands that
// have many. A flag without a group is listed first.
var flagGroups = map[string][]struct {
	title string
	flags []string
}{
	"build": {
		{"Dockerfile and context:", []string{"file", "target", "build-arg", "build-context", "platform"}},
		{"Result:", []string{"tag", "output", "push", "load", "label", "annotation", "attest", "provenance", "sbom", "metadata-file", "iidfile", "ci-results"}},
		{"Cache:", []string{"no-cache", "no-cache-filter", "pull", "cache-from", "cache-to", "context-key", "context-mtime", "context-cache"}},
		{"Secrets and registries:", []string{"secret", "ssh", "registry-auth", "registry-secrets", "registry-allow"}},
		{"Steps:", []string{"add-host", "network", "shm-size", "ulimit", "cgroup-parent", "allow"}},
		{"Log:", []string{"progress", "quiet", "ci", "log-group", "heartbeat", "raw-output", "debug-timing"}},
		{"Instead of a build:", []string{"call", "check", "dry-run", "show-build-args"}},
	},
}

// GroupedFlags returns the flags that have a group, each as "build --push".
func GroupedFlags() []string {
	var all []string
	for command, groups := range flagGroups {
		for _, g := range groups {
			for _, flag := range g.flags {
				all = append(all, command+" --"+flag)
			}
		}
	}
	return all
}

// littleGlobal are the commands, or what their names begin with, for which no
// global flag matters much.
var littleGlobal = []string{"version", "completion", "help", "login", "logout", "definition"}

// placeFlags are the global flags that say where builders are, which matter to
// all other commands. The rest is named in a line.
var placeFlags = []string{"builder", "definitions", "kubeconfig", "context", "transport"}

// Group puts the flags into their groups.
func Group(app *kong.Application) {
	for _, node := range Nodes(app.Node) {
		for _, g := range flagGroups[CommandName(node)] {
			shared := &kong.Group{Key: g.title, Title: g.title}
			for _, flag := range node.Flags {
				if slices.Contains(g.flags, flag.Name) {
					flag.Group = shared
				}
			}
		}
	}
}

// PrintHelp prints the help of the selected command: kong's, with examples
// before the flags, and after them the global flags, those that matter little in
// one line.
func PrintHelp(options kong.HelpOptions, context *kong.Context) error {
	node := context.Selected()
	if node == nil {
		return kong.DefaultHelpPrinter(options, context)
	}
	name, detail, flags := CommandName(node), node.Detail, node.Flags
	defer func() { node.Detail, node.Flags = detail, flags }()
	if examples := ExamplesOf(name); examples != "" {
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

// FlagVariables adds to the help of a flag the variables that it can be given
// by.
func FlagVariables(value *kong.Value) string {
	if value.Flag == nil || len(value.Flag.Envs) == 0 {
		return value.Help
	}
	return strings.TrimSuffix(value.Help, ".") + " ($" + strings.Join(value.Flag.Envs, ", $") + ")."
}
