package configmap

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
)

// selection is buildx's file "current", beside its directory of instances
// (https://github.com/docker/buildx/blob/v0.37.2/store/store.go#L194).
type selection struct {
	// Key is the Docker engine for which the builder is selected, which has no
	// meaning without one; with Global it is selected for all.
	Key    string
	Name   string
	Global bool
}

// selectionFile is the path of the selection that goes with a place of
// definitions; false where there is none, which is everywhere but in a directory
// that is named as buildx's is.
func selectionFile(path string) (string, bool) {
	path = filepath.Clean(path) // a slash at its end is no part of it
	if filepath.Base(path) != instancesDir {
		return "", false
	}
	return filepath.Join(filepath.Dir(path), "current"), true
}

// instancesDir is the name of buildx's directory of definitions.
const instancesDir = "instances"

// selected is the builder that is selected for a place of definitions; empty
// where there is none. What cannot be read selects nothing: buildx's state is not
// the user's to mend.
func selected(files *source.Reader, path string) string {
	file, ok := selectionFile(path)
	if !ok {
		return ""
	}
	data, err := files.Read(file, source.MaxConfig)
	if err != nil {
		return ""
	}
	var s selection
	if json.Unmarshal(data, &s) != nil {
		return ""
	}
	return s.Name
}

// Selected is the name of the builder that is taken where none is named: the
// only one, else the one that is selected; empty if there is neither.
func (s *Set) Selected() string {
	names := s.names()
	if len(names) == 1 {
		return names[0]
	}
	for _, name := range names {
		if strings.EqualFold(name, s.selection) {
			return name
		}
	}
	return ""
}

// SelectPath makes a builder the one that is taken where none is named, for the
// definitions in a directory of buildx's, and for buildx itself whatever its
// Docker engine is. The engine is the one that is in use, empty for the default.
// A relative path begins in the working directory. Errors are of type *Error.
func SelectPath(workdir, path, builder, engine string) error {
	file, ok := selectionFile(path)
	if !ok {
		return &Error{
			message: fmt.Sprintf("definitions %s: no builder can be selected there", path),
			hints:   []string{"a selection is kept in buildx's own directory only; set SLIPWAY_BUILDER=" + builder + ", or say --builder " + builder},
		}
	}
	if engine == "" {
		engine = "unix:///var/run/docker.sock"
	}
	data, err := json.Marshal(selection{Key: engine, Name: builder, Global: true})
	if err != nil {
		return &Error{message: "write " + file, cause: err}
	}
	unlock, err := lock(path)
	if err == nil {
		defer unlock()
		var place target.File
		if place, err = openIn(workdir, file); err == nil {
			err = place.Write(context.Background(), data, 0o600) // at once: there is nothing to wait for
		}
	}
	if err != nil {
		return &Error{
			message: "selection " + file + " cannot be written",
			hints:   []string{"set SLIPWAY_BUILDER=" + builder + ", or say --builder " + builder},
			cause:   reason(err),
		}
	}
	return nil
}

// Selectable tells whether a builder can be selected for the definitions.
func (s *Set) Selectable() bool {
	_, ok := selectionFile(s.path)
	if !ok {
		return false
	}
	info, err := os.Stat(s.path)
	return err == nil && info.IsDir()
}
