package dockercli

import (
	"io"
	"strings"
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
	b.WriteString("\n")
}

func (c Call) groupUsage(b *strings.Builder) {
	b.WriteString(strings.TrimSpace("Usage:  docker "+c.Group) + " COMMAND\n\nCommands:\n")
	for _, word := range subcommands(c.Group) {
		b.WriteString("  " + word + "\n")
	}
}
