// Package dockercli is docker's command line as data: every command and flag that
// pipelines use, and what happens to each of them without a Docker engine. It parses
// command lines of docker; it carries none of them out.
package dockercli

import (
	"iter"
	"strings"
)

// Answer is what happens to a command or a flag.
type Answer int

// The answers. The zero value is that all is as with docker.
const (
	// Done does what docker does.
	Done Answer = iota
	// Noted succeeds and says in a line on standard error what is different.
	Noted
	// Refused is an error: it cannot be done here, whatever runs beside.
	Refused
	// NeedsEngine is an error with the exit code 2: it takes a Docker engine.
	NeedsEngine
)

// Command is a command of docker, and what happens to it.
type Command struct {
	// Name are its words, such as "image ls".
	Name string
	// Also are other spellings of Name, such as "images".
	Also []string
	// Args are its arguments in the usage line, such as "IMAGE [IMAGE…]".
	Args string
	// Min and Max bound the number of arguments; a negative Max is none. They are not
	// looked at for a command that has Slipway, whose own parser does that.
	Min, Max int
	// Flags are its flags. Those of a command that has Slipway are for documentation:
	// Slipway's parser reads them.
	Flags  []Flag
	Answer Answer
	// Says is what happens, in a sentence without a full stop, for documentation.
	Says string
	// Instead says what to do in place of a command that is refused.
	Instead string
	// Slipway is the command of Slipway that takes all arguments as they are.
	Slipway string
}

// Flag is a flag of a command.
type Flag struct {
	// Name is the long name, without hyphens.
	Name string
	// Short is the letter, empty for none.
	Short string
	// Value is the placeholder of the value; empty for a boolean.
	Value  string
	Answer Answer
	// Says is what happens to the flag where that is not what docker does.
	Says string
}

// Commands are all commands, in the order of the documentation.
func Commands() iter.Seq[*Command] {
	return func(yield func(*Command) bool) {
		for _, table := range [][]Command{ownCommands, imageCommands, buildxCommands, engineCommands} {
			for i := range table {
				if !yield(&table[i]) {
					return
				}
			}
		}
	}
}

// Find returns the command of that name or spelling, nil for none.
func Find(name string) *Command {
	for c := range Commands() {
		if c.Name == name {
			return c
		}
		for _, other := range c.Also {
			if other == name {
				return c
			}
		}
	}
	return nil
}

// subcommands are the words that follow group in the names of commands, each once;
// the commands of docker itself where group is empty.
func subcommands(group string) []string {
	var words []string
	known := map[string]bool{}
	add := func(name string) {
		rest, below := strings.CutPrefix(name, group)
		rest, spaced := strings.CutPrefix(rest, " ")
		if !below || rest == "" || spaced != (group != "") {
			return
		}
		word, _, _ := strings.Cut(rest, " ")
		if !known[word] {
			known[word] = true
			words = append(words, word)
		}
	}
	for c := range Commands() {
		add(c.Name)
		for _, other := range c.Also {
			add(other)
		}
	}
	return words
}
