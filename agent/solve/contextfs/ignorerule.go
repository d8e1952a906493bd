package contextfs

import (
	"io"
	"os"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// IgnoreRule is the line of an ignore file that decides about a path.
type IgnoreRule struct {
	// Line is its number, from 1.
	Line int
	// Pattern is the line without white space around it.
	Pattern string
}

// Excludes finds the line of an ignore file that excludes a path, which is relative
// to the directory that is sent, with slashes. Nothing is found in a file that cannot
// be read or that includes the path again further down.
func Excludes(ignoreFile, path string) (rule IgnoreRule, found bool) {
	f, err := os.Open(ignoreFile)
	if err != nil {
		return rule, false
	}
	defer closeQuietly(f)
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile))
	if err != nil {
		return rule, false
	}
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		// As BuildKit reads it: cleaned, without comments.
		patterns, err := ignorefile.ReadAll(strings.NewReader(text))
		if err != nil || len(patterns) != 1 {
			continue
		}
		pattern, again := strings.CutPrefix(patterns[0], "!")
		matcher, err := patternmatcher.New([]string{pattern})
		if err != nil {
			continue
		}
		// The last line that matches decides.
		if matches, err := matcher.MatchesOrParentMatches(path); err == nil && matches {
			rule, found = IgnoreRule{line, strings.TrimSpace(text)}, !again
		}
	}
	return rule, found
}
