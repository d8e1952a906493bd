// Package suggest finds what somebody who mistyped a word most likely meant.
package suggest

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns the candidate that somebody who typed word most likely
// meant, or "" when none is near.
func Nearest(word string, candidates []string) string {
	if near := Near(word, candidates, 1); len(near) > 0 {
		return near[0]
	}
	return ""
}

// Near returns at most n candidates that somebody who typed word may have meant,
// the nearest first.
func Near(word string, candidates []string, n int) []string {
	type found struct {
		word     string
		distance int
	}
	var near []found
	limit := len(word)/3 + 2 // one slip in a short word, more in a long one
	for _, c := range candidates {
		// The distance is at least the difference in length.
		if len(c)-len(word) >= limit || len(word)-len(c) >= limit {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < limit {
			near = append(near, found{c, d})
		}
	}
	slices.SortStableFunc(near, func(a, b found) int { return cmp.Compare(a.distance, b.distance) })
	words := make([]string, min(n, len(near)))
	for i := range words {
		words[i] = near[i].word
	}
	return words
}

// distance is the Levenshtein distance in bytes. It is written out because it
// is shorter than the list of reasons for one more direct dependency.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
