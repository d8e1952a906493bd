package main

import (
	"cmp"
	"embed"
	"io/fs"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"

	"github.com/slipway-build/slipway/configmap"
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
	return "Load it in the running shell with:  source <(slipway completion bash)"
}

// flagValues are the values of flags that are text, where there is a list of them.
// A flag's own list, its tag enum or values, goes before.
var flagValues = map[string][]string{
	"progress":      {"auto", "plain", "tty", "rawjson", "quiet"},
	"transport":     {"auto", "direct", "portforward", "exec"},
	"drift":         {"warn", "apply", "fail", "ignore"},
	"driver":        {configmap.DriverKubernetes, configmap.DriverRemote},
	"profile":       {"privileged", "rootless", "user-namespace"},
	"call":          {"build", "check", "outline", "targets"},
	"network":       {"default", "none", "host"},
	"context-cache": {"off"},
}

// completable is what a script completes: the words of one command.
type completable struct {
	// Name is the whole name, such as "index create"; empty for the program.
	Name string
	// Function is the name of a shell function for it.
	Function string
	// Commands are the commands below it, if it has such.
	Commands []completableCommand
	// Flags are those that may stand here: its own and the global ones.
	Flags []completableFlag
	// Builders is true where its arguments are builders; else Values are the only
	// values of its argument, if it has such.
	Builders bool
	Values   []string
}

// completableCommand is a command below another one.
type completableCommand struct {
	// Path is its whole name; Words are its last word and the aliases of that.
	Path, Function string
	Words          []string
	Help           string
}

type completableFlag struct {
	// Names are all ways to write it, such as -t and --tag; Longs those with two
	// hyphens, without these.
	Names, Longs []string
	Short, Help  string
	// Values are the only values the flag takes, if it has such; Builders is true
	// where these are builders.
	Values   []string
	Builders bool
	// TakesValue is false for a switch.
	TakesValue bool
}

// Long tells whether a name is one with two hyphens.
func (completableFlag) Long(name string) bool { return strings.HasPrefix(name, "--") }

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
	return script.Execute(in.data, completables(parsed.Model.Node))
}

// completables are the program and all commands below it that are not hidden.
func completables(root *kong.Node) []completable {
	var out []completable
	for _, node := range nodes(root) {
		one := completable{Function: "_slipway"}
		if node != root {
			one.Name = commandName(node)
			one.Function = functionName(one.Name)
		}
		for _, below := range node.Children {
			if !below.Hidden {
				path := commandName(below)
				one.Commands = append(one.Commands, completableCommand{Path: path, Function: functionName(path), Words: append([]string{below.Name}, below.Aliases...), Help: below.Help})
			}
		}
		for _, group := range node.AllFlags(true) {
			for _, f := range group {
				one.Flags = append(one.Flags, completableOf(f))
			}
		}
		for _, arg := range node.Positional {
			switch {
			case arg.Name == "builder":
				one.Builders = true
			case arg.Enum != "":
				one.Values = strings.Split(arg.Enum, ",")
			}
		}
		out = append(out, one)
	}
	for i := range out {
		if out[i].Name == "help" { // its arguments are the names of commands
			for _, command := range out[0].Commands {
				out[i].Values = append(out[i].Values, command.Words...)
			}
		}
	}
	return out
}

func completableOf(f *kong.Flag) completableFlag {
	flag := completableFlag{Help: f.Help, TakesValue: !f.IsBool(), Builders: f.Name == "builder", Values: flagValues[f.Name], Longs: append([]string{f.Name}, f.Aliases...)}
	if values := cmp.Or(f.Enum, f.Tag.Get("values")); values != "" {
		flag.Values = strings.Split(values, ",")
	}
	if f.Tag.Negatable != "" {
		flag.Longs = append(flag.Longs, "no-"+f.Name)
	}
	if f.Short != 0 {
		flag.Short = string(f.Short)
		flag.Names = append(flag.Names, "-"+flag.Short)
	}
	for _, name := range flag.Longs {
		flag.Names = append(flag.Names, "--"+name)
	}
	return flag
}

func functionName(command string) string {
	return "_slipway_" + strings.NewReplacer(" ", "_", "-", "_").Replace(command)
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
