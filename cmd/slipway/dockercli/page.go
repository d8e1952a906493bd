package dockercli

import (
	"strings"
)

// Page returns the tables of docs/from-docker.md, in Markdown: every command and flag,
// and what happens to it.
func Page() string {
	var b strings.Builder
	for _, part := range []struct {
		title, intro string
		commands     []Command
	}{
		{"Commands", "", ownCommands},
		{"Commands of images", "", imageCommands},
		{"Commands of buildx", "", buildxCommands},
		{"Commands that need an engine", "They end with the exit code 2 and say what to do instead.", engineCommands},
	} {
		b.WriteString("### " + part.title + "\n\n")
		if part.intro != "" {
			b.WriteString(part.intro + "\n\n")
		}
		b.WriteString("| docker | flags | what happens |\n|---|---|---|\n")
		for i := range part.commands {
			part.commands[i].rows(&b)
		}
		b.WriteString("\n")
	}
	b.WriteString("### Flags before the command\n\n| docker | what happens |\n|---|---|\n")
	for _, f := range globalFlags {
		b.WriteString("| " + f.code() + " | " + cell(f.Says) + " |\n")
	}
	return b.String()
}

// rows writes a row for the command, and one for each flag that is not as with docker.
func (c *Command) rows(b *strings.Builder) {
	names := "`" + c.Name + "`"
	for _, other := range c.Also {
		names += ", `" + other + "`"
	}
	flags := c.Flags
	if c.Name == "buildx build" { // they are those of build
		flags = nil
	}
	var plain []string
	for _, f := range flags {
		if f.Says == "" {
			plain = append(plain, f.code())
		}
	}
	b.WriteString("| " + names + " | " + strings.Join(plain, " ") + " | " + cell(c.happens()) + " |\n")
	for _, f := range flags {
		if f.Says != "" {
			says := f.Says
			if f.Answer == Refused {
				says = "refused: " + says
			}
			b.WriteString("| | " + f.code() + " | " + cell(says) + " |\n")
		}
	}
}

// happens is what happens to the command.
func (c *Command) happens() string {
	switch {
	case c.Answer == NeedsEngine:
		return c.Instead
	case c.Answer == Refused && c.Instead != "":
		return "refused: " + c.Says + "; " + c.Instead
	case c.Answer == Refused:
		return "refused: " + c.Says
	}
	return c.Says
}

// code is the flag as it is written.
func (f *Flag) code() string {
	name := "--" + f.Name
	if f.Short != "" {
		name = "-" + f.Short + ", " + name
	}
	return "`" + name + "`"
}

// cell is a text in a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
