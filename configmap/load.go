package configmap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/internal/source"
)

// Load reads a definition file or a directory of them, which may be a mounted
// ConfigMap. It fails with an *Error only when there is nothing to read;
// mistakes in definitions are kept in the Set, because a broken definition
// must not stop a build on another one.
//
// In a directory, entries that start with a dot are skipped (a mounted
// ConfigMap keeps its data behind "..data", to which the visible entries
// link) and so are subdirectories.
func Load(files *source.Reader, path string) (*Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		data, err := readFile(files, path)
		if err != nil {
			return nil, unreadable(path, err)
		}
		return newSet(path, read(path, data)), nil
	}
	return loadDirectory(files, path)
}

// Parse reads definitions that came by another way than a file. The name
// stands for it in messages.
func Parse(name string, data []byte) *Set { return newSet(name, read(name, data)) }

func loadDirectory(files *source.Reader, path string) (*Set, error) {
	listing, err := os.ReadDir(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	var entries []entry
	state := false // whether it looks like the directory above buildx's instances
	for _, item := range listing {
		if strings.HasPrefix(item.Name(), ".") {
			continue
		}
		file := filepath.Join(path, item.Name())
		info, err := os.Stat(file) // and not item.Info, to follow links
		if err != nil {
			entries = append(entries, broken(file, "cannot be read: %v", reason(err)))
			continue
		}
		if info.IsDir() {
			state = state || item.Name() == "instances"
			continue
		}
		if !info.Mode().IsRegular() { // a pipe that nobody has named
			entries = append(entries, broken(file, "is not a regular file"))
			continue
		}
		data, err := readFile(files, file)
		if err != nil {
			entries = append(entries, broken(file, "cannot be read: %v", reason(err)))
			continue
		}
		entries = append(entries, read(file, data)...)
	}
	if state {
		return nil, &Error{
			message: "definitions " + path + ": this is buildx's state directory, the definitions are one below",
			hints:   []string{"use " + filepath.Join(path, "instances")},
		}
	}
	if len(entries) == 0 {
		return nil, &Error{
			message: "definitions " + path + ": the directory holds no file",
			none:    true,
			hints:   []string{"check that the ConfigMap mounted there has data, or name another place with --definitions PATH or SLIPWAY_DEFINITIONS"},
		}
	}
	set := newSet(path, entries)
	set.selection = selected(files, path)
	return set, nil
}

func readFile(files *source.Reader, path string) ([]byte, error) {
	data, err := files.Read(path, source.MaxConfig)
	if tooLong := (*source.TooLongError)(nil); errors.As(err, &tooLong) {
		return nil, fmt.Errorf("it is longer than %d MiB and so no definition", tooLong.Limit>>20)
	}
	return data, err
}

// read returns what a file's content defines: one entry per document.
func read(file string, data []byte) []entry {
	if message, hint := foreignText(data); message != "" {
		e := broken(file, "%s", message)
		e.problems[0].Hint = hint
		return []entry{e}
	}
	documents, err := parse(data)
	if err != nil {
		return []entry{broken(file, "%v", err)}
	}
	if len(documents) == 0 {
		return []entry{broken(file, "is empty")}
	}
	var entries []entry
	lines := &positions{data: data}
	for i, document := range documents {
		label := file
		if len(documents) > 1 {
			label = fmt.Sprintf("%s%s%d)", file, documentSuffix, i+1)
		}
		entries = append(entries, readDefinition(file, label, document, &findings{positions: lines, document: i}))
	}
	return entries
}

// broken is the entry of a file that tells nothing of what it defines. Its
// file name stands for the builder's name, which is what buildx would go by.
func broken(file, format string, args ...any) entry {
	return entry{
		file:     file,
		name:     nameOfFile(file),
		guessed:  true,
		problems: Problems{{File: file, Message: fmt.Sprintf(format, args...)}},
	}
}

func nameOfFile(file string) string {
	name := filepath.Base(file)
	for _, ext := range []string{".json", ".yaml", ".yml"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}
