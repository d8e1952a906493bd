package configmap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/suggest"
)

// Set is what a file or directory of definitions holds, the broken ones
// included.
type Set struct {
	path    string
	entries []entry
	// selection is the name that is selected for the place, empty for none.
	selection string
}

// entry is one definition, good or bad.
type entry struct {
	file string
	name string // of the builder
	// guessed is true where the builder's name is unknown and the file's
	// stands for it.
	guessed    bool
	definition Definition
	problems   Problems
}

// newSet makes sure that no guess at the name of a broken definition gets in
// the way of the builder that really has that name.
func newSet(path string, entries []entry) *Set {
	count := make(map[string]int, len(entries))
	for _, e := range entries {
		count[strings.ToLower(e.name)]++
	}
	for i, e := range entries {
		if e.guessed && count[strings.ToLower(e.name)] > 1 {
			entries[i].name = e.file
		}
	}
	return &Set{path: path, entries: entries}
}

// Path is the file or directory that the set was read from.
func (s *Set) Path() string { return s.path }

// Definitions returns the valid definitions by name. Those that share their
// name with another are not among them.
func (s *Set) Definitions() []Definition {
	var list []Definition
	for _, name := range s.names() {
		if e := s.named(name); len(e) == 1 && len(e[0].problems) == 0 {
			list = append(list, e[0].definition)
		}
	}
	return list
}

// Broken returns an error that holds the problems of every definition that
// Definitions leaves out, or nil.
func (s *Set) Broken() error {
	var all Problems
	for _, name := range s.names() {
		entries := s.named(name)
		for _, e := range entries {
			all = append(all, e.problems...)
		}
		if len(entries) > 1 {
			clash := duplicate(entries)
			all = append(all, &Problem{File: s.path, Message: clash.message, Hint: clash.hints[0]})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Select returns the definition of the named builder or, if name is empty, the
// only one there is, else the one that is selected. Names match without regard to case, as in buildx. The
// error is Problems when the definition has mistakes (all of them), and an
// *Error when there is no or more than one definition to take.
func (s *Set) Select(name string) (Definition, error) {
	names := s.names()
	if name == "" {
		if name = s.Selected(); name == "" {
			hints := []string{"choose one with --builder NAME, SLIPWAY_BUILDER or BUILDX_BUILDER; slipway up takes the name as its argument"}
			if s.Selectable() {
				hints = append(hints, "slipway use NAME selects one for all commands here")
			}
			return Definition{}, &Error{
				message: fmt.Sprintf("%s defines several builders: %s", s.path, strings.Join(s.describe(), ", ")),
				hints:   hints,
			}
		}
	}
	entries := s.named(name)
	switch len(entries) {
	case 0:
		e := &Error{
			message: fmt.Sprintf("builder %q is not defined in %s", name, s.path),
			hints:   []string{"defined there: " + strings.Join(s.describe(), ", ")},
		}
		if near := suggest.Nearest(name, names); near != "" {
			e.hints = append([]string{fmt.Sprintf("did you mean %q?", near)}, e.hints...)
		}
		return Definition{}, e
	case 1:
		if p := entries[0].problems; len(p) > 0 {
			return Definition{}, p
		}
		return entries[0].definition, nil
	}
	return Definition{}, duplicate(entries)
}

// Has tells whether a builder of that name is defined, with mistakes or without.
func (s *Set) Has(name string) bool { return len(s.named(name)) > 0 }

func duplicate(entries []entry) *Error {
	files := make([]string, len(entries))
	for i, e := range entries {
		files[i] = e.file
	}
	return &Error{
		message: fmt.Sprintf("builder %q is defined more than once: in %s", entries[0].name, strings.Join(files, " and in ")),
		hints:   []string{"keep one of them, or change the Name in the other (case makes no difference)"},
	}
}

// describe lists the names, saying which definitions are broken and where they
// are.
func (s *Set) describe() []string {
	list := s.names()
	for i, name := range list {
		for _, e := range s.named(name) {
			if len(e.problems) > 0 {
				list[i] += fmt.Sprintf(" (broken: %s)", e.problems[0])
				break
			}
		}
	}
	return list
}

// names are those of all builders, sorted, each once.
func (s *Set) names() []string {
	var list []string
	for _, e := range s.entries {
		if !slices.ContainsFunc(list, func(n string) bool { return strings.EqualFold(n, e.name) }) {
			list = append(list, e.name)
		}
	}
	slices.Sort(list)
	return list
}

func (s *Set) named(name string) []entry {
	var list []entry
	for _, e := range s.entries {
		if strings.EqualFold(e.name, name) {
			list = append(list, e)
		}
	}
	return list
}
