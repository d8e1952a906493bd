package model

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/slipway-build/slipway/internal/reference"
)

// PageOf describes a command and those below it, with the examples of the command of
// a name.
func PageOf(node *kong.Node, examplesOf func(command string) string) reference.Page {
	p := reference.Page{Name: node.Name, Aliases: node.Aliases, Help: node.Help, Detail: node.Detail}
	for parent := node.Parent; parent != nil; parent = parent.Parent {
		p.Name = parent.Name + " " + p.Name
	}
	p.Examples = examplesOf(CommandName(node))
	var usage []string
	for _, child := range node.Children {
		if !child.Hidden {
			p.Commands = append(p.Commands, PageOf(child, examplesOf))
		}
	}
	if len(p.Commands) > 0 {
		usage = append(usage, "COMMAND")
	}
	for _, flag := range node.Flags {
		if !flag.Hidden {
			p.Flags = append(p.Flags, reference.Parameter{Term: flagTerm(flag), Help: flagHelp(flag)})
		}
	}
	if len(p.Flags) > 0 {
		usage = append(usage, "[FLAGS]")
	}
	for _, arg := range node.Positional {
		term := argTerm(arg)
		p.Args = append(p.Args, reference.Parameter{Term: term, Help: arg.Help})
		if !arg.Required {
			term = "[" + term + "]"
		}
		usage = append(usage, term)
	}
	p.Usage = strings.Join(usage, " ")
	return p
}

func argTerm(arg *kong.Value) string {
	term := strings.ToUpper(arg.Name)
	if arg.IsSlice() {
		term += "…"
	}
	return term
}

func flagTerm(flag *kong.Flag) string {
	term := "--" + flag.Name
	if flag.Tag.Negatable != "" {
		term = "--[no-]" + flag.Name
	}
	if flag.Short != 0 {
		term = "-" + string(flag.Short) + ", " + term
	}
	if flag.IsBool() {
		return term
	}
	return term + "=" + valueTerm(flag)
}

// valueTerm is what stands for the value of a flag.
func valueTerm(flag *kong.Flag) string {
	switch {
	case flag.PlaceHolder != "":
		return flag.PlaceHolder
	case flag.Enum != "":
		return strings.ReplaceAll(flag.Enum, ",", "|")
	case flag.Target.Type() == reflect.TypeFor[time.Duration]():
		return "DURATION"
	}
	return strings.ToUpper(flag.Name)
}

func flagHelp(flag *kong.Flag) string {
	help := flag.Help
	if flag.HasDefault && !flag.IsBool() && !strings.Contains(help, "default") {
		help += " Default: " + flag.Default + "."
	}
	if len(flag.Envs) > 0 {
		help += " Variable: " + strings.Join(flag.Envs, ", ") + "."
	}
	return help
}

// OwnVariables are the variables of the flags, by name.
func OwnVariables(app *kong.Application) []reference.OwnVariable {
	commands, flags := map[string][]string{}, map[string]*kong.Flag{}
	for _, node := range Nodes(app.Node) {
		for _, flag := range node.Flags {
			for _, name := range flag.Envs {
				if strings.HasPrefix(name, "SLIPWAY_") {
					flags[name] = flag
					commands[name] = append(commands[name], "`"+CommandName(node)+"`")
				}
			}
		}
	}
	var own []reference.OwnVariable
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		v := reference.OwnVariable{Name: name, StandsFor: "`--" + flags[name].Name + "`", Commands: strings.Join(commands[name], ", ")}
		if v.Commands == "`slipway`" {
			v.Commands = "all commands"
		}
		if flags[name].Hidden {
			v.StandsFor = cmp.Or(flags[name].Tag.Get("means"), "a credential; a flag could be read by everybody on the machine")
		}
		own = append(own, v)
	}
	return own
}

// Nodes are a command and all below it that are not hidden.
func Nodes(node *kong.Node) []*kong.Node {
	all := []*kong.Node{node}
	for _, child := range node.Children {
		if !child.Hidden {
			all = append(all, Nodes(child)...)
		}
	}
	return all
}

// CommandName is a command as it is typed after "slipway".
func CommandName(node *kong.Node) string {
	name := node.Name
	for parent := node.Parent; parent != nil && parent.Parent != nil; parent = parent.Parent {
		name = parent.Name + " " + name
	}
	return name
}
