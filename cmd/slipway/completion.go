package main

import (
	"cmp"
	"embed"
	"io/fs"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
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

// completable is what a script completes: the words of one command.
type completable struct {
	Name, Help string
	// Commands are the commands below it, if it has such; Flags are then those
	// of all of them.
	Commands []string
	Flags    []completableFlag
}

type completableFlag struct {
	Name, Short, Help string
	// Values are the only values the flag takes, if it has such.
	Values []string
	// TakesValue is false for a switch.
	TakesValue bool
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
	return script.Execute(in.data, commands(parsed.Model.Node))
}

func commands(root *kong.Node) []completable {
	var out []completable
	for _, node := range root.Children {
		if node.Hidden {
			continue
		}
		one := completable{Name: node.Name, Help: node.Help}
		for _, below := range node.Children {
			one.Commands = append(one.Commands, below.Name)
		}
		for _, f := range flagsOf(node) {
			flag := completableFlag{Name: f.Name, Help: f.Help, TakesValue: !f.IsBool()}
			if f.Short != 0 {
				flag.Short = string(f.Short)
			}
			if values := cmp.Or(f.Enum, f.Tag.Get("values")); values != "" {
				flag.Values = strings.Split(values, ",")
			}
			one.Flags = append(one.Flags, flag)
		}
		out = append(out, one)
	}
	return out
}

// flagsOf are the flags that may follow a command or one of those below it,
// each once.
func flagsOf(node *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	seen := map[string]bool{}
	for _, n := range append([]*kong.Node{node}, node.Children...) {
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				if !seen[f.Name] {
					seen[f.Name] = true
					flags = append(flags, f)
				}
			}
		}
	}
	return flags
}

// shellQuote makes a single-quoted word of bash, zsh and fish alike.
func shellQuote(s string) string {
	return "'" + strings.NewReplacer("'", "’", "\n", " ").Replace(s) + "'"
}
