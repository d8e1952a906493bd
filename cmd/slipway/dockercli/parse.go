package dockercli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/slipway-build/slipway/internal/suggest"
)

// Call is a parsed command line.
type Call struct {
	// Command is the command, nil where there is none: for help, or for a command
	// that is Slipway's own.
	Command *Command
	// Slipway are the arguments for Slipway's own command line, nil for a command
	// that is answered by itself.
	Slipway []string
	// Args are the arguments of a command without Slipway.
	Args []string
	// Help asks for help about Group, or about Command.
	Help bool
	// Group is the group of commands that was called without one of its own, such as
	// "image"; empty for docker itself.
	Group string
	// Config is the directory of docker's config.json, empty where it was not given.
	Config string
	// Engine are the flags that say how an engine is reached, as they were given.
	Engine []string

	values map[string][]string
}

// Is tells whether the call is one of the command with that name.
func (c Call) Is(name string) bool { return c.Command != nil && c.Command.Name == name }

// Given tells whether a flag was given.
func (c Call) Given(flag string) bool { return len(c.values[flag]) > 0 }

// List returns the values of a flag in their order.
func (c Call) List(flag string) []string { return c.values[flag] }

// String returns the last value of a flag, which counts; empty if it was not given.
func (c Call) String(flag string) string {
	if all := c.values[flag]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// Bool returns the value of a boolean flag, false if it was not given.
func (c Call) Bool(flag string) bool {
	on, _ := strconv.ParseBool(c.String(flag)) // Set has let nothing else through
	return on
}

// Error is a mistake in a command line.
type Error struct {
	Problem string
	Advice  []string
}

// Error implements error.
func (e *Error) Error() string { return e.Problem }

// Hints say what to do about it.
func (e *Error) Hints() []string { return e.Advice }

// EngineError says that a command takes a Docker engine.
type EngineError struct {
	// Command is the command's name, without docker.
	Command string
	// Instead says what to do.
	Instead string
}

// Error implements error.
func (e *EngineError) Error() string {
	return "docker " + e.Command + " needs a Docker engine, and there is none: this is Slipway, which builds on BuildKit in Kubernetes"
}

// Hints say what to do instead.
func (e *EngineError) Hints() []string {
	if e.Instead == "" {
		return nil
	}
	return []string{e.Instead}
}

// Plugin parses the command line of docker's plugin buildx, which docker calls with all
// of its own arguments, those before the plugin's name included
// (https://github.com/docker/cli/blob/v29.5.3/cli-plugins/manager/manager.go).
func Plugin(args []string) (Call, error) {
	globals, rest, err := splitGlobals(args)
	if err != nil || len(rest) == 0 || rest[0] != "buildx" { // called by itself: all is the plugin's
		globals, rest = Call{}, args
	} else {
		rest = rest[1:]
	}
	return buildx(globals, rest)
}

// Docker parses a command line of docker.
func Docker(args []string) (Call, error) {
	call, rest, err := splitGlobals(args)
	if err != nil || call.Help || call.Command != nil {
		return call, err
	}
	if len(rest) > 0 && rest[0] == "help" {
		call.Help = true
		call.Group = strings.Join(rest[1:], " ")
		if call.Command = Find(call.Group); call.Command == nil && len(subcommands(call.Group)) == 0 {
			return call, unknownCommand("", rest[1])
		}
		return call, nil
	}
	if len(rest) > 0 && rest[0] == "buildx" {
		return buildx(call, rest[1:])
	}
	command, group, args := find(rest)
	switch {
	case command == nil && (len(args) == 0 || isHelp(args[0])):
		call.Help, call.Group = true, group
		return call, nil
	case command == nil && strings.HasPrefix(args[0], "-"):
		return call, unknownFlag(args[0], nil)
	case command == nil:
		return call, unknownCommand(group, args[0])
	}
	return call.take(command, args)
}

// buildx parses what follows docker buildx. What is no command of buildx may be one of
// Slipway, which its own parser finds out.
func buildx(call Call, args []string) (Call, error) {
	at := commandAt(args)
	if len(args) == 0 || at < len(args) && isHelp(args[at]) && at == 0 {
		call.Help, call.Group = true, "buildx"
		return call, nil
	}
	command, group, rest := find(append([]string{"buildx"}, args[at:]...))
	switch {
	case command != nil:
	case len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && group == "buildx" && !slices.Contains(slipwayCommands, rest[0]):
		return call, unknownCommand(group, rest[0])
	default:
		call.Slipway = args
		return call, nil
	}
	leading := args[:at]
	if command.Slipway == "" {
		if len(leading) > 0 && command.Answer != Refused { // --builder NAME and -D before the command
			rest = slices.Concat(leading, rest)
		}
		return call.take(command, rest)
	}
	call.Command = command
	call.Slipway = slices.Concat(leading, strings.Fields(command.Slipway), command.shortValues(rest))
	return call, nil
}

// slipwayCommands are the commands of Slipway that docker buildx does not have. They are
// taken below its name: a link by that name may be all there is of Slipway in an image.
var slipwayCommands = []string{
	"agent", "auth", "complete", "completion", "definition", "docker-cli-plugin-metadata", "docs", "doctor", "gc", "help", "index", "imagetools", "login", "logout", "logs", "tags", "up",
}

// commandAt is the index of the first argument that is neither a flag of buildx itself
// nor its value.
func commandAt(args []string) int {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--builder":
			i++
		case isHelp(args[i]), !strings.HasPrefix(args[i], "-"):
			return i
		}
	}
	return len(args)
}

// take parses the arguments of a command.
func (c Call) take(command *Command, args []string) (Call, error) {
	c.Command = command
	switch {
	case command.Answer == NeedsEngine:
		return c, &EngineError{Command: command.Name, Instead: command.Instead}
	case command.Answer == Refused:
		return c, &Error{Problem: "docker " + command.Name + ": " + command.Says, Advice: nonEmpty(command.Instead)}
	case command.Slipway != "":
		c.Slipway = append(strings.Fields(command.Slipway), command.shortValues(args)...)
		return c, nil
	}
	c.values = map[string][]string{}
	flags := pflag.NewFlagSet("docker", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	for i := range command.Flags {
		f := &command.Flags[i]
		flag := flags.VarPF(&value{flag: f, into: c.values}, f.Name, f.Short, "")
		if f.Value == "" {
			flag.NoOptDefVal = "true"
		}
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		c.Help = true
		return c, nil
	case err != nil:
		return c, command.explain(err)
	}
	c.Args = flags.Args()
	if n := len(c.Args); n < command.Min || command.Max >= 0 && n > command.Max {
		return c, &Error{
			Problem: fmt.Sprintf("docker %s takes %s, and %d are given", command.Name, command.count(), n),
			Advice:  []string{strings.TrimSpace("usage: docker " + command.Name + " " + command.Args)},
		}
	}
	for i := range command.Flags {
		if f := &command.Flags[i]; c.Given(f.Name) && f.Answer == Refused {
			return c, &Error{Problem: fmt.Sprintf("docker %s --%s: %s", command.Name, f.Name, f.Says)}
		}
	}
	return c, nil
}

// shortValues makes two arguments of -f=VALUE, whose value begins with = for Slipway's
// parser and not for docker's.
func (c *Command) shortValues(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		out = append(out, arg)
		name, long := strings.CutPrefix(arg, "--")
		switch {
		case arg == "--":
			return append(out, args[i+1:]...)
		case long:
			if f := c.flag(name, ""); f != nil && f.Value != "" && i+1 < len(args) {
				i++
				out = append(out, args[i])
			}
			continue
		case !strings.HasPrefix(arg, "-"):
			continue
		}
		for at := 1; at < len(arg); at++ {
			f := c.flag("", arg[at:at+1])
			if f == nil {
				break
			}
			if f.Value == "" {
				continue
			}
			switch rest := arg[at+1:]; {
			case strings.HasPrefix(rest, "="):
				out = append(out[:len(out)-1], arg[:at+1], rest[1:])
			case rest == "" && i+1 < len(args):
				i++
				out = append(out, args[i])
			}
			break
		}
	}
	return out
}

// flag finds a flag by its name, or by its letter where that is not empty.
func (c *Command) flag(name, short string) *Flag {
	for i := range c.Flags {
		if f := &c.Flags[i]; short != "" && f.Short == short || short == "" && f.Name == name {
			return f
		}
	}
	return nil
}

// count is how many arguments a command takes.
func (c *Command) count() string {
	switch {
	case c.Max == 0:
		return "no arguments"
	case c.Max < 0:
		return "at least " + strconv.Itoa(c.Min)
	case c.Min == c.Max:
		return "exactly " + strconv.Itoa(c.Min)
	}
	return fmt.Sprintf("%d to %d arguments", c.Min, c.Max)
}

// explain adds the nearest flag to an error about one that the command does not have.
func (c *Command) explain(err error) error {
	unknown := (*pflag.NotExistError)(nil)
	if !errors.As(err, &unknown) {
		return &Error{Problem: fmt.Sprintf("docker %s: %v", c.Name, err)}
	}
	if unknown.GetSpecifiedShortnames() != "" {
		return unknownFlag("-"+unknown.GetSpecifiedName(), c)
	}
	return unknownFlag("--"+unknown.GetSpecifiedName(), c)
}

// value collects the values of a flag.
type value struct {
	flag *Flag
	into map[string][]string
}

// String implements pflag.Value; no flag has a default.
func (v *value) String() string { return "" }

// Type implements pflag.Value.
func (v *value) Type() string {
	if v.flag.Value == "" {
		return "bool"
	}
	return "string"
}

// Set implements pflag.Value.
func (v *value) Set(s string) error {
	if v.flag.Value == "" {
		if _, err := strconv.ParseBool(s); err != nil {
			return errors.New("is neither true nor false")
		}
	}
	v.into[v.flag.Name] = append(v.into[v.flag.Name], s)
	return nil
}

// find finds the command that arguments begin with: the longest name. Without one,
// group is the group that they begin with, and rest what follows it.
func find(args []string) (command *Command, group string, rest []string) {
	rest = args
	for n := 1; n <= len(args) && !strings.HasPrefix(args[n-1], "-"); n++ {
		words := strings.Join(args[:n], " ")
		if c := Find(words); c != nil {
			command, rest = c, args[n:]
		}
		if len(subcommands(words)) == 0 {
			break
		}
		if command == nil {
			group, rest = words, args[n:]
		}
	}
	return command, group, rest
}

// splitGlobals takes the global flags of docker from the front of its arguments
// (https://github.com/docker/cli/blob/v29.5.3/cli/flags/options.go).
func splitGlobals(args []string) (call Call, rest []string, err error) {
	flags := pflag.NewFlagSet("docker", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SetInterspersed(false)
	flags.Usage = func() {}
	values := map[string][]string{}
	for i := range globalFlags {
		f := &globalFlags[i]
		flag := flags.VarPF(&value{flag: f, into: values}, f.Name, f.Short, "")
		if f.Value == "" {
			flag.NoOptDefVal = "true"
		}
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return Call{Help: true}, nil, nil
	case err != nil:
		return Call{}, nil, (&Command{Flags: globalFlags}).explain(err)
	}
	given := Call{values: values}
	call.Config = given.String("config")
	for i := range globalFlags {
		if f := &globalFlags[i]; f.Answer == Noted && given.Given(f.Name) {
			call.Engine = append(call.Engine, "--"+f.Name)
		}
	}
	if given.Bool("version") {
		call.Command = &versionFlag
	}
	return call, flags.Args(), nil
}

func isHelp(arg string) bool { return arg == "--help" || arg == "-h" }

func unknownCommand(group, word string) error {
	name := strings.TrimSpace(group + " " + word)
	e := &Error{Problem: fmt.Sprintf("docker: unknown command: docker %s", name)}
	if near := suggest.Nearest(word, subcommands(group)); near != "" {
		e.Advice = append(e.Advice, "did you mean docker "+strings.TrimSpace(group+" "+near)+"?")
	}
	e.Advice = append(e.Advice, "docker --help lists the commands; those of Slipway itself are called as slipway COMMAND, or as docker buildx COMMAND")
	return e
}

// unknownFlag is the error about a flag that a command, or docker where it is nil, does
// not have.
func unknownFlag(flag string, c *Command) error {
	flags, problem := globalFlags, "unknown flag: "+flag
	if c != nil {
		flags, problem = c.Flags, fmt.Sprintf("docker %s: unknown flag: %s", c.Name, flag)
	}
	e := &Error{Problem: strings.ReplaceAll(problem, "docker : ", "")}
	names := make([]string, 0, len(flags))
	for _, f := range flags {
		names = append(names, "--"+f.Name)
	}
	if near := suggest.Nearest(flag, names); near != "" {
		e.Advice = append(e.Advice, "did you mean "+near+"?")
	}
	return e
}

func nonEmpty(hint string) []string {
	if hint == "" {
		return nil
	}
	return []string{hint}
}
