package model

import (
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// DropEmpty returns the arguments without flags that are given an empty value, where they
// are those of the command: pipelines pass variables that may be empty, and for docker
// buildx build most flags of one value are not given then. The flag's variable or default
// counts in their place. A flag of several values is left as it is, for its own parser
// to take or refuse, but for those that are named.
func DropEmpty(app *kong.Application, command string, args []string, named ...string) []string {
	node, flags := commandOf(app.Node, args), map[string]*kong.Flag{}
	if node == nil || node.Name != command {
		return args
	}
	var out []string
	for rest := args; len(rest) > 0; {
		if rest[0] == "--" {
			return append(out, rest...)
		}
		name, value, joined := strings.Cut(rest[0], "=")
		flag := flagNamed(node, name, flags)
		taken := 1
		if takesWord(flag, joined, rest) {
			value, taken = rest[1], 2
		}
		if empty := flag != nil && value == "" && (joined || taken == 2); !empty || !single(flag) && !slices.Contains(named, flag.Name) {
			out = append(out, rest[:taken]...)
		}
		rest = rest[taken:]
	}
	return out
}

// commandOf returns the command that the arguments name; nil for none.
func commandOf(node *kong.Node, args []string) *kong.Node {
	flags := map[string]*kong.Flag{}
	for rest := args; len(rest) > 0; rest = rest[1:] {
		name, _, joined := strings.Cut(rest[0], "=")
		switch flag := flagNamed(node, name, flags); {
		case rest[0] == "--":
			return nil
		case takesWord(flag, joined, rest):
			rest = rest[1:]
		case flag == nil && !strings.HasPrefix(name, "-"):
			at := slices.IndexFunc(node.Children, func(child *kong.Node) bool {
				return child.Name == rest[0] || slices.Contains(child.Aliases, rest[0])
			})
			if at < 0 {
				return nil
			}
			return node.Children[at]
		}
	}
	return nil
}

// flagNamed returns the flag of a node, or of those above, with that name: --NAME, or -N by
// itself. It is nil for none. What was found before is in the map.
func flagNamed(node *kong.Node, name string, known map[string]*kong.Flag) *kong.Flag {
	if len(known) == 0 {
		for _, group := range node.AllFlags(false) {
			for _, flag := range group {
				known["--"+flag.Name] = flag
				if flag.Short != 0 {
					known["-"+string(flag.Short)] = flag
				}
			}
		}
	}
	return known[name]
}

// takesWord reports whether the value of a flag is the next argument, or should be: the
// name of another flag is refused there later, and so not dropped.
func takesWord(flag *kong.Flag, joined bool, args []string) bool {
	return flag != nil && !joined && !flag.IsBool() && len(args) > 1
}

// single reports whether a flag takes one value.
func single(flag *kong.Flag) bool {
	return !flag.IsBool() && flag.Target.Kind() != reflect.Slice && flag.Target.Kind() != reflect.Map
}
