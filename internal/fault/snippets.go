package fault

import (
	"slices"
	"strings"
)

// SnippetsLast returns the hints with those of several lines at the end. These are
// to paste: nothing may stand between or below them.
func SnippetsLast(hints []string) []string {
	hints = slices.Clone(hints)
	slices.SortStableFunc(hints, func(a, b string) int {
		switch {
		case IsSnippet(a) == IsSnippet(b):
			return 0
		case IsSnippet(b):
			return -1
		}
		return 1
	})
	return hints
}

// IsSnippet reports whether a hint has several lines, which are to paste.
func IsSnippet(hint string) bool { return strings.Contains(hint, "\n") }
