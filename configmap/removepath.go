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

// RemovePath removes the file that defines a builder, from a directory of
// definitions or where path is that file. removed is false when it cannot be
// removed here: the place is a mounted ConfigMap or cannot be written. A file
// that defines other builders as well is refused. Errors are of type *Error.
func RemovePath(files *source.Reader, path, builder string) (removed bool, err error) {
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		dir = filepath.Dir(path)
	}
	if _, err := os.Lstat(filepath.Join(dir, "..data")); err == nil {
		return false, nil
	}
	unlock, err := lock(dir)
	if readOnly(err) {
		return false, nil
	}
	if err != nil {
		return false, unwritable(path, err)
	}
	defer unlock()
	from, err := ReadSource(files, path, false)
	if err != nil {
		return false, err
	}
	for _, key := range keysOf(from.Files) {
		file := from.label(key)
		entries := read(file, from.Files[key])
		if !slices.ContainsFunc(entries, func(e entry) bool { return !e.guessed && strings.EqualFold(e.name, builder) }) {
			continue
		}
		if len(entries) > 1 {
			return false, &Error{
				message: fmt.Sprintf("%s holds %d definitions; a file with several of them is not removed", file, len(entries)),
				hints:   []string{"take builder " + builder + " out of it by hand"},
			}
		}
		if err := os.Remove(file); readOnly(err) {
			return false, nil
		} else if err != nil {
			return false, unwritable(file, err)
		}
		return true, nil
	}
	return false, nil
}

// readOnly says whether a change failed because the place is not to be changed:
// a mount, or somebody else's.
func readOnly(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EBUSY)
}
