package model

import (
	"cmp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/slipway-build/slipway/configmap"
)

// FlagValues are the values of flags that are text, where there is a list of them.
// A flag's own list, its tag enum or values, goes before.
var FlagValues = map[string][]string{
	"progress":      {"auto", "plain", "tty", "rawjson", "quiet", "none"},
	"transport":     {"auto", "direct", "portforward", "exec"},
	"drift":         {"warn", "apply", "fail", "ignore"},
	"driver":        {configmap.DriverKubernetes, configmap.DriverRemote, configmap.DriverLocal},
	"profile":       {"privileged", "rootless", "user-namespace"},
	"call":          {"build", "check", "outline", "targets"},
	"network":       {"default", "none", "host"},
	"context-cache": {"off"},
}

// Command is what a script completes: the words of one command.
type Command struct {
	// Name is the whole name, such as "index create"; empty for the program.
	Name string
	// Function is the name of a shell function for it.
	Function string
	// Commands are the commands below it, if it has such.
	Commands []BelowCommand
	// Flags are those that may stand here: its own and the global ones.
	Flags []Flag
	// Builders is true where its arguments are builders; else Values are the only
	// values of its argument, if it has such.
	Builders bool
	Values   []string
}

// BelowCommand is a command below another one.
type BelowCommand struct {
	// Path is its whole name; Words are its last word and the aliases of that.
	Path, Function string
	Words          []string
	Help           string
}

// Flag is a flag as scripts complete it.
type Flag struct {
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
func (Flag) Long(name string) bool { return strings.HasPrefix(name, "--") }

// Completables are the program and all commands below it that are not hidden.
func Completables(root *kong.Node) []Command {
	var out []Command
	for _, node := range Nodes(root) {
		one := Command{Function: "_slipway"}
		if node != root {
			one.Name = CommandName(node)
			one.Function = functionName(one.Name)
		}
		for _, below := range node.Children {
			if !below.Hidden {
				path := CommandName(below)
				one.Commands = append(one.Commands, BelowCommand{Path: path, Function: functionName(path), Words: append([]string{below.Name}, below.Aliases...), Help: below.Help})
			}
		}
		for _, group := range node.AllFlags(true) {
			for _, f := range group {
				one.Flags = append(one.Flags, flagOf(f))
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

func flagOf(f *kong.Flag) Flag {
	flag := Flag{Help: f.Help, TakesValue: !f.IsBool(), Builders: f.Name == "builder", Values: FlagValues[f.Name], Longs: append([]string{f.Name}, f.Aliases...)}
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
