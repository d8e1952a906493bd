package configmap

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// documentSuffix follows the path of a file that holds several definitions.
const documentSuffix = " (document "

// Problem is one mistake in a definition.
type Problem struct {
	// File is the path of the definition, with " (document N)" behind it when
	// the file holds several.
	File string
	// Line is where in the file the mistake is, or what is nearest around it; 0
	// where that is not known or is in the message.
	Line int
	// Node is the node's name, "#2" for the second node if that has none, and
	// empty when the mistake is in the group.
	Node string
	// Option is the driver-opt ("driver-opt replicas") or the key path
	// ("Platforms[0]", "Slipway.podTemplate"), empty for the file as a whole.
	Option string
	// Message says what is wrong.
	Message string
	// Hint says what to do; it may be empty.
	Hint string

	// absent says that a file is not on this machine, which another one may have.
	absent bool
}

func (p *Problem) Error() string { return p.File + p.where() }

// Located is the message with the line behind the file, FILE:LINE: …, as editors
// and CI systems know it of compilers.
func (p *Problem) Located() string {
	if p.Line == 0 {
		return p.Error()
	}
	file, _, _ := strings.Cut(p.File, documentSuffix)
	return fmt.Sprintf("%s:%d%s", file, p.Line, p.where())
}

// where is the message without the file.
func (p *Problem) where() string {
	var b strings.Builder
	if p.Node != "" {
		b.WriteString(": node " + p.Node)
	}
	if p.Option != "" {
		b.WriteString(": " + p.Option)
	}
	b.WriteString(": " + p.Message)
	return b.String()
}

// Hints returns what to do about the problem.
func (p *Problem) Hints() []string {
	if p.Hint == "" {
		return nil
	}
	return []string{p.Hint}
}

// Problems are all mistakes of one definition, or of several.
type Problems []*Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap returns the problems one by one.
func (p Problems) Unwrap() []error {
	list := make([]error, len(p))
	for i, one := range p {
		list[i] = one
	}
	return list
}

// Hints returns the hints of all problems, each once.
func (p Problems) Hints() []string { return fault.Hints(p.Unwrap()...) }

// Error is a failure to find, read or choose definitions, as opposed to a
// mistake in one of them.
type Error struct {
	message string
	hints   []string
	cause   error
	// none says that there are no definitions, not even broken ones.
	none bool
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

// Unwrap returns the cause, which may be nil.
func (e *Error) Unwrap() error { return e.cause }

// Hints returns what to do about it.
func (e *Error) Hints() []string { return e.hints }

// findings is what the reading of one definition brings to light.
type findings struct {
	problems Problems
	warnings []string
	// positions are those of the file, document is the one that is read.
	positions *positions
	document  int
}

// report is the place in a definition that is being read. It is passed down
// by value, each step knowing a little more.
type report struct {
	file, node, option string
	// number counts the nodes from 1; 0 is the group.
	number int
	// hint goes with every problem that brings no hint of its own.
	hint  string
	found *findings
}

// key steps into a key of an object.
func (r report) key(name string) report {
	if r.option != "" {
		name = r.option + "." + name
	}
	r.option = name
	return r
}

// index steps into an element of a list.
func (r report) index(i int) report {
	r.option = fmt.Sprintf("%s[%d]", r.option, i)
	return r
}

func (r report) hinting(format string, args ...any) report {
	r.hint = fmt.Sprintf(format, args...)
	return r
}

func (r report) bad(format string, args ...any) {
	r.found.problems = append(r.found.problems, &Problem{
		File: r.file, Line: r.found.positions.line(r.found.document, r.number, r.option),
		Node: r.node, Option: r.option, Message: fmt.Sprintf(format, args...), Hint: r.hint,
	})
}

// unreadable adds a problem with a file of this machine.
func (r report) unreadable(path string, err error) {
	r.bad("%s cannot be read: %v", path, reason(err))
	r.found.problems[len(r.found.problems)-1].absent = errors.Is(err, fs.ErrNotExist)
}

// badAll adds a problem per message of a Kubernetes validation function.
func (r report) badAll(what string, messages []string) {
	for _, m := range messages {
		r.bad("%s: %s", what, m)
	}
}

func (r report) warn(format string, args ...any) {
	p := Problem{File: r.file, Node: r.node, Option: r.option, Message: fmt.Sprintf(format, args...)}
	r.found.warnings = append(r.found.warnings, p.Error())
}
