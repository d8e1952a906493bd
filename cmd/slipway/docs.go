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
		for _, p := range root.withCommands() {
			files[p.manName()+".1"] = p.roff(c.Date)
		}
	} else {
		files["commands.md"] = root.markdown()
		files["variables.md"] = variablesPage(parsed.Model)
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

// page is what the reference says of one command, or of the program itself.
type page struct {
	// Name is the whole name, such as "slipway index create". Aliases are other
	// names for its last word.
	Name    string
	Aliases []string
	// Help is one sentence, Detail what --help says besides.
	Help, Detail string
	// Examples are lines to type, each below a comment; empty for none.
	Examples string
	// Usage is the synopsis after the name, such as "[FLAGS] CONTEXT".
	Usage       string
	Args, Flags []parameter
	// Commands are the commands below it, without hidden ones.
	Commands []page
}

// parameter is a flag or an argument.
type parameter struct {
	// Term is how it is written, such as "-t, --tag=REF".
	Term string
	// Help is the sentence about it, with its default and its variables.
	Help string
}

// exitCodes are the meanings of exit codes, as the README has them.
var exitCodes = []struct {
	code    string
	meaning string
	retry   string // empty where it makes no sense to ask
}{
	{"0", "done", ""},
	{strconv.Itoa(exitBuild), "the build failed: the Dockerfile or the code", "no"},
	{strconv.Itoa(exitUsage), "a wrong flag, file or definition, found before anything was touched, or an output that cannot be written", "no"},
	{strconv.Itoa(exitCluster), "the cluster: identity, rights, capacity, builder not ready or with answers that are not valid", "yes"},
	{strconv.Itoa(exitLost), "the builder was lost in mid-build, more than twice", "yes"},
	{strconv.Itoa(exitRegistry), "the registry: credential, pull, push", "yes"},
	{strconv.Itoa(exitInternal), "a fault of Slipway itself", ""},
	{strconv.Itoa(exitCancel) + ", 143", "cancelled by SIGINT, SIGTERM", ""},
}

// pageOf describes a command and those below it.
func pageOf(node *kong.Node) page {
	p := page{Name: node.Name, Aliases: node.Aliases, Help: node.Help, Detail: node.Detail}
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
			p.Flags = append(p.Flags, parameter{Term: flagTerm(flag), Help: flagHelp(flag)})
		}
	}
	if len(p.Flags) > 0 {
		usage = append(usage, "[FLAGS]")
	}
	for _, arg := range node.Positional {
		term := argTerm(arg)
		p.Args = append(p.Args, parameter{Term: term, Help: arg.Help})
		if !arg.Required {
			term = "[" + term + "]"
		}
		usage = append(usage, term)
	}
	p.Usage = strings.Join(usage, " ")
	return p
}

// withCommands returns the page and all pages below it, a command before those
// below it.
func (p page) withCommands() []page {
	all := []page{p}
	for _, below := range p.Commands {
		all = append(all, below.withCommands()...)
	}
	return all
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

// markdown renders docs/commands.md.
func (p page) markdown() string {
	var b strings.Builder
	b.WriteString("<!-- Generated by go test ./cmd/slipway -run Reference -update, from the flags of the program. -->\n\n# Commands\n\n")
	b.WriteString("What `slipway COMMAND --help` says, of all commands. A flag with a variable can be given by the variable as well; the flag wins.\n\n")
	b.WriteString("| command | what it does |\n|---|---|\n")
	all := p.withCommands()[1:]
	for _, c := range all {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.Name, strings.ReplaceAll(c.Name, " ", "-"), cell(c.Help))
	}
	b.WriteString("\n## Global flags\n\nThey may stand before and after the command.\n\n")
	writeTable(&b, "flag", p.Flags)
	b.WriteString("\n## Exit codes\n\n| exit code | meaning | try again? |\n|---|---|---|\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "| %s | %s | %s\n", e.code, e.meaning, strings.TrimSpace(e.retry+" |"))
	}
	for _, c := range all {
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n%s\n", c.Name, strings.TrimSpace(c.Name+" "+c.Usage), prose(c.Help))
		if c.Detail != "" {
			fmt.Fprintf(&b, "\n%s\n", prose(c.Detail))
		}
		if c.Examples != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", c.Examples)
		}
		if len(c.Aliases) > 0 {
			fmt.Fprintf(&b, "\nAnother name of it: `%s`.\n", strings.Join(c.Aliases, "`, `"))
		}
		writeTable(&b, "argument", c.Args)
		writeTable(&b, "flag", c.Flags)
	}
	return b.String()
}

func writeTable(b *strings.Builder, title string, rows []parameter) {
	if len(rows) == 0 {
		return
	}
	if !strings.HasSuffix(b.String(), "\n\n") {
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "| %s | meaning |\n|---|---|\n", title)
	for _, r := range rows {
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(r.Term, "|", `\|`), cell(r.Help))
	}
}

// prose keeps Markdown from reading placeholders as HTML.
func prose(s string) string { return strings.NewReplacer("<", `\<`, "*", `\*`).Replace(s) }

// cell is prose in a row of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(prose(s))
}

// variablesPage renders docs/variables.md: the variables of the flags, and those
// of other tools.
func variablesPage(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("<!-- Generated by go test ./cmd/slipway -run Reference -update, from the flags of the program and internal/variables. -->\n\n# Variables\n\n")
	b.WriteString("A variable that is empty counts as not set. A flag on the command line wins over its variable.\n\n## Slipway's own\n\n")
	b.WriteString("A value that its flag would not take ends the command with exit code 2.\n\n| variable | stands for | of |\n|---|---|---|\n")
	type use struct {
		flag     *kong.Flag
		commands []string
	}
	own := map[string]*use{}
	for _, node := range nodes(app.Node) {
		for _, flag := range node.Flags {
			for _, name := range flag.Envs {
				if !strings.HasPrefix(name, "SLIPWAY_") {
					continue
				}
				one := own[name]
				if one == nil {
					one = &use{flag: flag}
					own[name] = one
				}
				one.commands = append(one.commands, "`"+strings.TrimPrefix(pageOf(node).Name, "slipway ")+"`")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		flag, of := "`--"+own[name].flag.Name+"`", strings.Join(own[name].commands, ", ")
		if of == "`slipway`" {
			of = "all commands"
		}
		if own[name].flag.Hidden {
			flag = "a credential; a flag could be read by everybody on the machine"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, flag, of)
	}
	b.WriteString("\n## Of other tools\n\nA value that its owner would not take counts as not set, with a warning.\n\n| variable | of | what Slipway takes from it | values |\n|---|---|---|---|\n")
	for _, v := range variables.All {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, v.Owner, cell(v.Help), cell(v.Form))
	}
	return b.String()
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
