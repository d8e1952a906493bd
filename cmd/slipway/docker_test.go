package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/cmd/slipway/dockercli"
	"github.com/slipway-build/slipway/cmd/slipway/dockerinfo"
	"github.com/slipway-build/slipway/cmd/slipway/model"
)

// TestDockerTable tests that what the table of docker's commands promises is there: an
// answer for each command, and each flag of those that are Slipway's.
func TestDockerTable(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Vars{"version": ""}, kong.ValueFormatter(model.FlagVariables))
	if err != nil {
		t.Fatal(err)
	}
	for c := range dockercli.Commands() {
		switch {
		case c.Answer == dockercli.Refused, c.Answer == dockercli.NeedsEngine:
		case c.Name == "buildx uninstall": // it is answered before there is a command
		case c.Slipway != "":
			context, err := kong.Trace(parser, strings.Fields(c.Slipway))
			if err != nil || context.Selected() == nil {
				t.Errorf("docker %s: there is no slipway %s", c.Name, c.Slipway)
				continue
			}
			compareFlags(t, c, context.Selected().AllFlags(false))
		case dockerAnswers[c.Name] == nil && !dockerinfo.Answers(c.Name):
			t.Errorf("docker %s: nothing answers it", c.Name)
		}
	}
	for name := range dockerAnswers {
		if dockercli.Find(name) == nil {
			t.Errorf("docker %s is answered, and is not in the table", name)
		}
	}
	// Below docker buildx the commands of Slipway are known that buildx does not have.
	for _, command := range parser.Model.Children {
		if command.Name == "docker" {
			continue
		}
		if call, err := dockercli.Docker([]string{"buildx", command.Name}); err != nil || call.Slipway == nil && !call.Help {
			t.Errorf("docker buildx %s: %+v, %v", command.Name, call, err)
		}
	}
}

func compareFlags(t *testing.T, c *dockercli.Command, groups [][]*kong.Flag) {
	t.Helper()
	all := slices.Concat(groups...)
	for _, flag := range c.Flags {
		i := slices.IndexFunc(all, func(f *kong.Flag) bool { return f.Name == flag.Name || slices.Contains(f.Aliases, flag.Name) })
		switch {
		case i < 0:
			t.Errorf("docker %s --%s: slipway %s does not have it", c.Name, flag.Name, c.Slipway)
		case all[i].IsBool() != (flag.Value == ""):
			t.Errorf("docker %s --%s: takes a value in one place and none in the other", c.Name, flag.Name)
		case flag.Short != "" && string(all[i].Short) != flag.Short:
			t.Errorf("docker %s -%s: slipway has -%c", c.Name, flag.Short, all[i].Short)
		}
	}
}

// TestFromDockerReference holds docs/from-docker.md and the table together; -update writes it.
func TestFromDockerReference(t *testing.T) {
	const file, begin, end = "../../docs/from-docker.md", "<!-- commands: generated, make docs -->\n", "<!-- end of commands -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the tables", file)
	}
	want := head + begin + "\n" + dockercli.Page() + "\n" + end + tail
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s is not that of the table, make docs writes it (-want +got):\n%s", file, diff)
	}
}
