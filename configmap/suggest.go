package configmap

import (
	"fmt"
	"strings"
)

// nearest returns the candidate that somebody who typed word most likely
// meant, or "" when none is near.
func nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)/3+2 // one slip in a short word, more in a long one
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// didYouMean is a hint about a mistyped word: the nearest one, else all.
func didYouMean(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known here: " + strings.Join(candidates, ", ")
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
