package configmap

import (
	"fmt"
	"strings"

	"github.com/slipway-build/slipway/internal/suggest"
)

// didYouMean is a hint about a mistyped word: the nearest one, else all.
func didYouMean(word string, candidates []string) string {
	if near := suggest.Nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known here: " + strings.Join(candidates, ", ")
}
