package buildkit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-build/slipway/internal/fault"
)

// CacheFilter chooses records of a builder's cache. The zero value chooses all.
type CacheFilter struct {
	// Expression is BuildKit's, all of whose terms must hold; may be empty.
	Expression string
	// Unused is how long a record must not have been used; 0 for any time.
	Unused time.Duration
}

// cacheFlags are what a record is or is not. BuildKit knows them by their
// presence and gives them no value, so that "private==true" never holds.
var cacheFlags = []string{"inuse", "mutable", "immutable", "shared", "private"}

// cacheFields are what a record has.
var cacheFields = []string{"id", "parents", "description", "type"}

// ParseCacheFilter reads the values of --filter, which are docker's: NAME=VALUE,
// with ~= and != for a match and for what is not. All mistakes are reported at
// once, as fault.UsageList.
func ParseCacheFilter(values []string) (CacheFilter, error) {
	var f CacheFilter
	var terms []string
	var all fault.UsageList
	for _, given := range values {
		if given == "" { // a pipeline's variable
			continue
		}
		term, err := f.term(given)
		if err != nil {
			all.Add(err)
			continue
		}
		if term != "" {
			terms = append(terms, term)
		}
	}
	f.Expression = strings.Join(terms, ",")
	return f, all.Err()
}

// term is one value of --filter in BuildKit's words; empty for a time, which it
// takes in a field of its own.
func (f *CacheFilter) term(given string) (string, *fault.Usage) {
	mistake := func(problem string) *fault.Usage {
		return &fault.Usage{
			Flag: "--filter", Value: given, Problem: problem,
			Hint: "filters are until=24h, " + strings.Join(cacheFlags, ", ") + ", and " + strings.Join(cacheFields, ", ") + " with =, != or ~= and a value",
		}
	}
	name, value, hasValue := strings.Cut(given, "=")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	operator := "=="
	if bare, ok := strings.CutSuffix(name, "!"); ok {
		name, operator = bare, "!="
	} else if bare, ok := strings.CutSuffix(name, "~"); ok {
		name, operator = bare, "~="
	}
	switch {
	case name == "until", name == "unused-for": // the second is docker's old word
		age, err := time.ParseDuration(value)
		if err != nil || age <= 0 || operator != "==" {
			return "", mistake("expects a duration, for example 24h")
		}
		if f.Unused != 0 {
			return "", mistake("a time is given twice")
		}
		f.Unused = age
		return "", nil
	case slices.Contains(cacheFlags, name):
		if hasValue && value != "true" || operator != "==" {
			return "", mistake("takes no value but true; the opposite has a name of its own")
		}
		return name, nil
	case !slices.Contains(cacheFields, name):
		return "", mistake("is not known of a cache record")
	case !hasValue:
		return name, nil
	case name == "id" && operator == "==": // the beginning of one is enough
		operator = "~="
	}
	return name + operator + quoteTerm(value), nil
}

// quoteTerm keeps what a value holds from being read as further terms.
func quoteTerm(value string) string {
	plain := func(r rune) bool {
		return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return !plain(r) }) {
		return value
	}
	return fmt.Sprintf("%q", value)
}

// list is the form of BuildKit's requests, in which any of several may hold.
func (f CacheFilter) list() []string {
	if f.Expression == "" {
		return nil
	}
	return []string{f.Expression}
}
