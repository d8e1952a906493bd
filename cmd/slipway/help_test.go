package main

import (
	"context"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/shlex"

	"github.com/slipway-build/slipway/cmd/slipway/model"
)

// newParser is the parser of the command line, as dispatch has it.
func newParser(t *testing.T) *kong.Kong {
	t.Helper()
	values := &model.Words{}
	parser, err := kong.New(&cli{}, kong.KindMapper(reflect.String, values), kong.Name("slipway"),
		kong.Vars{"version": ""}, kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	values.Know(parser.Model)
	env, err := loadEnvironment(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	env.choose(parser.Model)
	return parser
}

// TestExamples parses the examples of all commands: each has three, and they are
// command lines.
func TestExamples(t *testing.T) {
	parser := newParser(t)
	known := map[string]bool{}
	for _, command := range model.Nodes(parser.Model.Node) {
		if len(command.Children) > 0 {
			continue
		}
		name, count := model.CommandName(command), 0
		known[name] = true
		for line := range strings.Lines(model.ExamplesOf(name)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			count++
			line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
			line, _, _ = strings.Cut(line, " > ")
			args, err := shlex.Split(line)
			if err != nil || args[0] != "slipway" {
				t.Errorf("%s: %s: is no command line: %v", name, line, err)
				continue
			}
			if _, err := parser.Parse(args[1:]); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
			if !strings.HasPrefix(line, "slipway "+name) {
				t.Errorf("%s: %s: is of another command", name, line)
			}
		}
		if count < 3 {
			t.Errorf("%s has %d examples", name, count)
		}
	}
	for _, name := range model.WithExamples() {
		if !known[name] {
			t.Errorf("there is no command %q", name)
		}
	}
}

// TestFlagGroups finds flags in the table that no command has.
func TestFlagGroups(t *testing.T) {
	known := map[string]bool{}
	for _, command := range model.Nodes(newParser(t).Model.Node) {
		for _, flag := range command.Flags {
			known[model.CommandName(command)+" --"+flag.Name] = true
		}
	}
	for _, name := range model.GroupedFlags() {
		if !known[name] {
			t.Errorf("help has a group for %q, and there is no such flag", name)
		}
	}
}
