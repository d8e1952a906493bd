package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

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
	root := pageOf(parsed.Model.Node)
	if c.Format == "man" {
		for _, p := range root.WithCommands() {
			files[p.ManName()+".1"] = p.Roff(version, c.Date, exitCodes)
		}
	} else {
		files["commands.md"] = root.Markdown(exitCodes)
		files["variables.md"] = reference.Variables(ownVariables(parsed.Model), variables.All)
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

// pageOf describes a command and those below it.
func pageOf(node *kong.Node) reference.Page {
	p := reference.Page{Name: node.Name, Aliases: node.Aliases, Help: node.Help, Detail: node.Detail}
	for parent := node.Parent; parent != nil; parent = parent.Parent {
		p.Name = parent.Name + " " + p.Name
	}
	p.Examples = examplesOf(commandName(node))
	var usage []string
	for _, child := range node.Children {
		if !child.Hidden {
			p.Commands = append(p.Commands, pageOf(child))
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

// ownVariables are the variables of the flags, by name.
func ownVariables(app *kong.Application) []reference.OwnVariable {
	commands, flags := map[string][]string{}, map[string]*kong.Flag{}
	for _, node := range nodes(app.Node) {
		for _, flag := range node.Flags {
			for _, name := range flag.Envs {
				if strings.HasPrefix(name, "SLIPWAY_") {
					flags[name] = flag
					commands[name] = append(commands[name], "`"+commandName(node)+"`")
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
			v.StandsFor = "a credential; a flag could be read by everybody on the machine"
		}
		own = append(own, v)
	}
	return own
}

// nodes are a command and all below it that are not hidden.
func nodes(node *kong.Node) []*kong.Node {
	all := []*kong.Node{node}
	for _, child := range node.Children {
		if !child.Hidden {
			all = append(all, nodes(child)...)
		}
	}
	return all
}
