package configmap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/slipway-build/slipway/internal/source"
)

// RemovableFile returns the file that defines a builder and that RemovePath would
// remove; empty where there is none or it is in a mounted ConfigMap. A file that
// defines other builders as well is refused. Errors are of type *Error.
func RemovableFile(files *source.Reader, path, builder string) (string, error) {
	if _, err := os.Lstat(filepath.Join(directoryOf(path), "..data")); err == nil {
		return "", nil
	}
	from, err := ReadSource(files, path, false)
	if err != nil {
		return "", err
	}
	for _, key := range keysOf(from.Files) {
		file := from.label(key)
		entries := read(file, from.Files[key])
		if !slices.ContainsFunc(entries, func(e entry) bool { return !e.guessed && strings.EqualFold(e.name, builder) }) {
			continue
		}
		if len(entries) > 1 {
			return "", &Error{
				message: fmt.Sprintf("%s holds %d definitions; a file with several of them is not removed", file, len(entries)),
				hints:   []string{"take builder " + builder + " out of it by hand"},
			}
		}
		return file, nil
	}
	return "", nil
}

// directoryOf is the directory of a path of definitions, which may be a file.
func directoryOf(path string) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Dir(path)
	}
	return path
}

// RemovePath removes the file that defines a builder, from a directory of
// definitions or where path is that file. removed is false when it cannot be
// removed here: the place is a mounted ConfigMap or cannot be written. A file
// that defines other builders as well is refused. Errors are of type *Error.
func RemovePath(files *source.Reader, path, builder string) (removed bool, err error) {
	unlock, err := lock(directoryOf(path))
	if readOnly(err) {
		return false, nil
	}
	if err != nil {
		return false, unwritable(path, err)
	}
	defer unlock()
	file, err := RemovableFile(files, path, builder)
	if err != nil || file == "" {
		return false, err
	}
	if err := os.Remove(file); readOnly(err) {
		return false, nil
	} else if err != nil {
		return false, unwritable(file, err)
	}
	return true, nil
}

// readOnly says whether a change failed because the place is not to be changed:
// a mount, or somebody else's.
func readOnly(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EBUSY)
}
