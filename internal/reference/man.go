package reference

import (
	"fmt"
	"strings"
)

// ManName is the name of the page of a command, such as "slipway-index-create".
func (p Page) ManName() string { return strings.ReplaceAll(p.Name, " ", "-") }

// Roff renders a man page in the macros of man(7), of a version of the program. The
// date is empty or YYYY-MM-DD.
func (p Page) Roff(version, date string, exitCodes []ExitCode) string {
	var b strings.Builder
	program, _, below := strings.Cut(p.Name, " ")
	fmt.Fprintf(&b, ".TH %s 1 %q %q %q\n", roffWord(strings.ToUpper(p.ManName())), date, program+" "+version, "User Commands")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roffWord(p.ManName()), roffText(strings.TrimSuffix(p.Help, ".")))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n%s\n", roffWord(p.Name), roffWord(p.Usage))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roffText(p.Help))
	if p.Detail != "" {
		fmt.Fprintf(&b, ".PP\n%s\n", roffText(p.Detail))
	}
	if len(p.Aliases) > 0 {
		fmt.Fprintf(&b, ".PP\nAnother name of it: %s.\n", roffText(strings.Join(p.Aliases, ", ")))
	}
	if len(p.Commands) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, c := range p.Commands {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roffWord(c.ManName()), roffText(c.Help))
		}
	}
	section(&b, "ARGUMENTS", p.Args)
	if below {
		section(&b, "OPTIONS", p.Flags)
		if p.Examples != "" {
			fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffWord(p.Examples))
		}
		fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1),\nwhich has the global options and the exit codes.\n", roffWord(program))
		return b.String()
	}
	section(&b, "GLOBAL OPTIONS", p.Flags)
	b.WriteString(".SH EXIT STATUS\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s", roffWord(e.Code), roffText(e.Meaning))
		switch e.Retry {
		case "yes":
			b.WriteString("; trying again may help")
		case "no":
			b.WriteString("; trying again does not help")
		}
		b.WriteString("\n")
	}
	b.WriteString(".SH SEE ALSO\n")
	for i, c := range p.Commands {
		comma := ","
		if i == len(p.Commands)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, ".BR %s (1)%s\n", roffWord(c.ManName()), comma)
	}
	b.WriteString(".PP\nhttps://github.com/slipway\\-build/slipway\n")
	return b.String()
}

func section(b *strings.Builder, title string, rows []Parameter) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	for _, r := range rows {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roffWord(r.Term), roffText(r.Help))
	}
}

// roffText escapes text of a paragraph. The hyphens of flags are to be copied
// from the page as they are.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "--", `\-\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// roffWord escapes what is typed: all its hyphens are to be copied as they are.
func roffWord(s string) string { return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s) }
