package fault

import (
	"cmp"
	"slices"
	"strings"
)

// SnippetsLast returns the hints with those of several lines at the end. These are
// to paste: nothing may stand between or below them.
func SnippetsLast(hints []string) []string {
	hints = slices.Clone(hints)
	slices.SortStableFunc(hints, func(a, b string) int {
		return cmp.Compare(min(strings.Count(a, "\n"), 1), min(strings.Count(b, "\n"), 1))
	})
	return hints
}
