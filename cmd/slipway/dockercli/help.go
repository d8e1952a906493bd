package dockercli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteHelp writes what a call asks for with --help, or by naming no command.
func (c Call) WriteHelp(w io.Writer) error {
	var b strings.Builder
	if c.Command != nil {
		c.Command.usage(&b)
	} else {
		c.groupUsage(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Command) usage(b *strings.Builder) {
	b.WriteString("Usage:  docker " + c.Name)
	if len(c.Flags) > 0 {
		b.WriteString(" [OPTIONS]")
	}
	if c.Args != "" {
		b.WriteString(" " + c.Args)
	}
	b.WriteString("\n\n" + c.summary() + "\n")
	if len(c.Also) > 0 {
		b.WriteString("\nAliases:\n  docker " + strings.Join(c.Also, ", docker ") + "\n")
	}
	if len(c.Flags) > 0 {
		b.WriteString("\nOptions:\n")
		writeFlags(b, c.Flags)
	}
	if c.Slipway != "" {
		b.WriteString("\nslipway " + c.Slipway + " --help has the flags of Slipway beside them.\n")
	}
}

func writeFlags(b *strings.Builder, flags []Flag) {
	table := tabwriter.NewWriter(b, 0, 1, 3, ' ', 0)
	for _, f := range flags {
		short := "    "
		if f.Short != "" {
			short = "-" + f.Short + ", "
		}
		fmt.Fprintf(table, "  %s--%s %s\t%s\n", short, f.Name, f.Value, plainText(f.Says))
	}
	_ = table.Flush() // a builder takes everything
}

func (c Call) groupUsage(b *strings.Builder) {
	b.WriteString(strings.TrimSpace("Usage:  docker "+c.Group) + " COMMAND\n\n")
	if c.Group == "" {
		b.WriteString("Slipway answers the command line of docker with BuildKit in Kubernetes.\n\n")
	}
	b.WriteString("Commands:\n")
	table := tabwriter.NewWriter(b, 0, 1, 3, ' ', 0)
	for _, word := range subcommands(c.Group) {
		about := "a group of commands"
		if one := Find(strings.TrimSpace(c.Group + " " + word)); one != nil {
			about = one.summary()
		}
		fmt.Fprintf(table, "  %s\t%s\n", word, about)
	}
	_ = table.Flush() // a builder takes everything
	if c.Group == "" {
		b.WriteString("\nGlobal options:\n")
		writeFlags(b, globalFlags)
	}
}

// summary is what happens to the command, in a line.
func (c *Command) summary() string {
	switch c.Answer {
	case NeedsEngine:
		return "needs a Docker engine; " + plainText(c.Instead)
	case Refused:
		return "refused: " + plainText(c.Says)
	}
	return plainText(c.Says)
}

// plainText is a sentence of the documentation without its marks and its link to more.
func plainText(s string) string {
	if at := strings.Index(s, ". ["); at >= 0 {
		s = s[:at]
	}
	return strings.ReplaceAll(s, "`", "")
}
