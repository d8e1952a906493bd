package contextfs

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// Account adds up what is sent of a directory, and tells once when one transfer
// sends more than a limit. It may be shared by the transfers of several nodes.
type Account struct {
	// Limit is the number of bytes above which Tell is called.
	Limit int64
	// Tell is called at most once, at the end of a transfer.
	Tell func(Sent)

	mu   sync.Mutex
	told bool
}

// Sent is what one transfer has sent.
type Sent struct {
	// Bytes are those of all files.
	Bytes int64
	Files int
	// Largest are the largest entries of the directory, the largest first.
	Largest []SentEntry
	// Ignorable are lines for .dockerignore that would leave out those of Largest
	// which builds hardly ever need, such as node_modules.
	Ignorable []string
}

// SentEntry is an entry of a directory with all below it.
type SentEntry struct {
	// Path is relative, with slashes.
	Path  string
	Bytes int64
}

// maxLargest is how many entries are named.
const maxLargest = 3

// maxEntries bounds how many entries are told apart; the rest counts for the sum.
const maxEntries = 10_000

// madeByTools are names of directories that tools fill beside the sources and that
// are made again in the build, or not needed there.
var madeByTools = []string{
	".cache", ".git", ".gradle", ".next", ".terraform", ".tox", ".venv", ".yarn",
	"__pycache__", "bower_components", "node_modules", "venv",
}

// settle takes what a transfer has sent.
func (a *Account) settle(t *tally) {
	if a == nil || t.sent.Bytes <= a.Limit {
		return
	}
	a.mu.Lock()
	told := a.told
	a.told = true
	a.mu.Unlock()
	if !told {
		a.Tell(t.result())
	}
}

// tally counts the files of one transfer. Its zero value is ready to use.
type tally struct {
	mu      sync.Mutex
	sent    Sent
	entries map[string]int64
}

// add counts a file.
func (t *tally) add(file string, size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent.Bytes += size
	t.sent.Files++
	entry := entryOf(file)
	if _, known := t.entries[entry]; !known && len(t.entries) == maxEntries {
		return
	}
	if t.entries == nil {
		t.entries = map[string]int64{}
	}
	t.entries[entry] += size
}

// entryOf is the entry that a file counts for: the directory of a tool, wherever it
// lies, else what is in the directory itself.
func entryOf(file string) string {
	parts := strings.Split(strings.TrimPrefix(file, "/"), "/")
	for i, part := range parts[:len(parts)-1] {
		if slices.Contains(madeByTools, part) {
			return strings.Join(parts[:i+1], "/")
		}
	}
	return parts[0]
}

// result is what was counted.
func (t *tally) result() Sent {
	t.mu.Lock()
	defer t.mu.Unlock()
	sent := t.sent
	for _, name := range slices.Sorted(maps.Keys(t.entries)) {
		sent.Largest = append(sent.Largest, SentEntry{name, t.entries[name]})
	}
	slices.SortStableFunc(sent.Largest, func(a, b SentEntry) int { return cmp.Compare(b.Bytes, a.Bytes) })
	sent.Largest = sent.Largest[:min(maxLargest, len(sent.Largest))]
	for _, entry := range sent.Largest {
		name := path.Base(entry.Path)
		if !slices.Contains(madeByTools, name) {
			continue
		}
		line := name
		if entry.Path != name {
			line = "**/" + name // it lies deeper, and others of its kind may, too
		}
		if !slices.Contains(sent.Ignorable, line) {
			sent.Ignorable = append(sent.Ignorable, line)
		}
	}
	return sent
}
