package dockerinfo

import (
	"fmt"
	"io"
)

// Call is a command of docker, parsed.
type Call interface {
	// String returns the value of a flag, Bool that of a boolean one.
	String(flag string) string
	Bool(flag string) bool
}

// Asked is what a command is answered from.
type Asked struct {
	// Command is its name in package dockercli.
	Command string
	Flags   Call
	Args    []string
	Program Program
	// Host is the value of DOCKER_HOST.
	Host string
	// Machine is asked for what only docker info needs.
	Machine func() Machine
}

// notes are said of commands that have nothing to do.
var notes = map[string]string{
	"context use":     "builds need no Docker engine: nothing is selected",
	"context create":  "builds need no Docker engine: the context is not kept",
	"context rm":      "builds need no Docker engine: no context was kept",
	"builder prune":   "nothing is removed: the cache is shared, and BuildKit keeps it within the builder's limits; docker buildx prune removes cache",
	"system prune":    "nothing is removed: there is no Docker engine, and BuildKit keeps its cache within the builder's limits",
	"container prune": "nothing is removed: there is no Docker engine, and there are no containers",
	"volume prune":    "nothing is removed: there is no Docker engine, and there are no volumes",
	"network prune":   "nothing is removed: there is no Docker engine, and there are no networks",
}

// Answers tells whether Answer knows a command.
func Answers(command string) bool {
	switch command {
	case "version", "info", "context inspect", "context show":
		return true
	}
	_, lists := listings("")[command]
	return lists || notes[command] != ""
}

// Answer writes what docker prints for a command to w. The note says what is different,
// empty for nothing. The error is a *FormatError, a ContextError, or that of w.
func Answer(w io.Writer, a Asked) (note string, err error) {
	template := a.Flags.String("format")
	switch a.Command {
	case "version":
		return "", WriteVersion(w, a.Program, template)
	case "info":
		return "", WriteInfo(w, a.Program, a.Machine(), template)
	case "context inspect":
		return "", WriteContext(w, a.Host, template, a.Args)
	case "context show":
		_, err = fmt.Fprintln(w, DefaultContext)
		return "", err
	case "context use", "context create", "context rm": // docker prints the names
		for _, name := range a.Args {
			if _, err := fmt.Fprintln(w, name); err != nil {
				return "", err
			}
		}
		return notes[a.Command], nil
	}
	if note, noted := notes[a.Command]; noted {
		_, err = fmt.Fprintln(w, "Total reclaimed space: 0B")
		return note, err
	}
	return "", WriteList(w, a.Command, a.Host, template, a.Flags.Bool("quiet"))
}
