package configmap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/internal/source"
)

// Source is a place that holds definitions: a directory, a ConfigMap or a
// single file.
type Source struct {
	// Place names it in messages: a path, or "configmap NAMESPACE/NAME".
	Place string
	// Files are its contents by file name or key. What is no definition does
	// not matter, and stays.
	Files map[string][]byte
	// Only is the one file that a definition can be written to, where the
	// place is a file; else empty.
	Only string
}

// ReadSource reads a directory of definitions or a single file. It is empty
// when the path does not exist: a directory then, unless file is set.
func ReadSource(files *source.Reader, path string, file bool) (Source, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir() || absent(err) && file:
		s := Source{Place: path, Only: path, Files: make(map[string][]byte)}
		if err != nil {
			return s, nil
		}
		if s.Files[path], err = readFile(files, path); err != nil {
			return s, unreadable(path, err)
		}
		return s, nil
	case absent(err):
		return Source{Place: path}, nil
	case err != nil:
		return Source{}, unreadable(path, err)
	}
	listing, err := os.ReadDir(path)
	if err != nil {
		return Source{}, unreadable(path, err)
	}
	s := Source{Place: path, Files: make(map[string][]byte)}
	for _, item := range listing {
		name := filepath.Join(path, item.Name())
		info, err := os.Stat(name)
		if strings.HasPrefix(item.Name(), ".") || err != nil || !info.Mode().IsRegular() {
			continue // Load says what is wrong with it
		}
		if s.Files[item.Name()], err = readFile(files, name); err != nil {
			return Source{}, unreadable(name, err)
		}
	}
	return s, nil
}

// label is how messages call one of the files.
func (s Source) label(key string) string {
	switch {
	case s.Only != "":
		return s.Only
	case strings.HasPrefix(s.Place, "configmap "):
		return s.Place + ", key " + key
	}
	return filepath.Join(s.Place, key)
}

// find returns the definition of a builder and the file it is in, or nil and
// the file that it is to be in.
func (s Source) find(builder string) (*Instance, string, error) {
	var found []string
	for _, key := range keysOf(s.Files) {
		entries := read(s.label(key), s.Files[key])
		if !slices.ContainsFunc(entries, func(e entry) bool { return !e.guessed && strings.EqualFold(e.name, builder) }) {
			continue
		}
		if len(entries) > 1 {
			return nil, "", &Error{
				message: fmt.Sprintf("%s holds %d definitions; a file with several of them is not changed", s.label(key), len(entries)),
				hints:   []string{"put each into a file of its own"},
			}
		}
		found = append(found, key)
	}
	switch len(found) {
	case 0:
		key := strings.ToLower(builder) // as buildx names its files
		if s.Only != "" {
			key = s.Only
		}
		if _, taken := s.Files[key]; taken {
			return nil, "", &Error{
				message: fmt.Sprintf("%s is there already and does not define builder %q", s.label(key), builder),
				hints:   []string{"remove it, or give the builder another name or place"},
			}
		}
		return nil, key, nil
	case 1:
	default:
		return nil, "", duplicate([]entry{{name: builder, file: s.label(found[0])}, {name: builder, file: s.label(found[1])}})
	}
	key := found[0]
	if !json.Valid(bytes.TrimSpace(s.Files[key])) {
		return nil, "", &Error{
			message: s.label(key) + " is written in YAML; to change it here would lose its comments",
			hints:   []string{"edit it by hand, or make JSON of it first: slipway definition convert --to json"},
		}
	}
	instances, _, err := ReadInstances(s.label(key), s.Files[key])
	if err != nil {
		return nil, "", err
	}
	return &instances[0], key, nil
}
