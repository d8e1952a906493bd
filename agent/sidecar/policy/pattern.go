package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/registry"
)

// anyBelow is the last part of a pattern that stands for one part or more.
const anyBelow = "**"

// Pattern stands for repositories of a registry. Each part of the path is matched by
// itself, as path.Match does.
type Pattern struct {
	// Host is the registry, in its canonical form.
	Host  string
	parts []string
	below bool // and all repositories below those
}

// patternError says why a text is no pattern.
type patternError struct{ text, why, hint string }

// Error implements error.
func (e *patternError) Error() string {
	return fmt.Sprintf("%q: is no pattern of repositories, such as registry.example/team/**: %s", e.text, e.why)
}

// Hints says what to write instead.
func (e *patternError) Hints() []string { return []string{e.hint} }

// ParsePattern parses HOST/PATH, in which * stands for one part of the path or a piece
// of it, and a last part ** for all below. What could never match is an error that says
// what to write instead.
func ParsePattern(text string) (Pattern, error) {
	wrong := func(why, hint string) (Pattern, error) {
		return Pattern{}, &patternError{text: text, why: why, hint: hint}
	}
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		return wrong(scheme+":// is no part of a repository's name", fmt.Sprintf("write %q", rest))
	}
	host, rest, ok := strings.Cut(text, "/")
	if !ok || host == "" {
		return wrong("it is HOST/REPOSITORY", "write the name of the registry first, as in registry.example/team/app")
	}
	parts := strings.Split(rest, "/")
	p := Pattern{Host: registry.CanonicalHost(host), parts: parts}
	if last := len(parts) - 1; parts[last] == anyBelow {
		p.parts, p.below = parts[:last], true
	}
	trimmed := strings.Trim(text, "/")
	for _, part := range p.parts {
		_, err := path.Match(part, "")
		switch {
		case part == "" && rest == "":
			return wrong("it names no repository", fmt.Sprintf("write %q for all of the registry", trimmed+"/"+anyBelow))
		case part == "" && !strings.Contains(strings.TrimRight(rest, "/"), "//"):
			return wrong("it ends in a slash", fmt.Sprintf("write %q for one repository, %q for all below", trimmed, trimmed+"/"+anyBelow))
		case part == "":
			return wrong("it has an empty part", "write one slash between two parts")
		case strings.Contains(part, anyBelow):
			return wrong("** is the whole last part, or none", fmt.Sprintf("write * within a part, and %q for all below", host+"/team/"+anyBelow))
		case err != nil:
			return wrong(fmt.Sprintf("%q: %v", part, err), "write * for a part of the path")
		case strings.ContainsAny(part, ":@"):
			return wrong("it has a tag or a digest", "name the repository only: its tags are not told apart")
		case strings.ToLower(part) != part:
			return wrong("names of repositories have no capital letters", fmt.Sprintf("write %q", host+"/"+strings.ToLower(rest)))
		}
	}
	if p.Host == registry.CanonicalHost("docker.io") && len(p.parts) == 1 && !p.below {
		p.parts = slices.Insert(p.parts, 0, "library") // as in the name of an image
	}
	return p, nil
}

// Matches reports whether the pattern stands for a repository, HOST/NAME, whose host is
// the canonical one.
func (p Pattern) Matches(repository string) bool {
	host, name, _ := strings.Cut(repository, "/")
	parts := strings.Split(name, "/")
	if host != p.Host || len(parts) < len(p.parts) || (len(parts) > len(p.parts)) != p.below || slices.Contains(parts, "") {
		return false
	}
	for i, part := range p.parts {
		if ok, err := path.Match(part, parts[i]); !ok || err != nil { // the form was checked
			return false
		}
	}
	return true
}
