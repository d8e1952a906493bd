package configmap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/target"
)

// WritePlace is the path that new definitions are written to: the one that
// Locate finds, so that every other command sees them, or buildx's own place
// when there is none yet.
func WritePlace(p Places) (string, error) { return writePlace(p, systemPath) }

func writePlace(p Places, system string) (string, error) {
	if p.Explicit != "" {
		return p.Explicit, nil // what does not exist is made
	}
	path, err := locate(p, system)
	known := (*Error)(nil)
	if !errors.As(err, &known) || known.cause != nil { // one without a cause says that there is none
		return path, err
	}
	switch {
	case p.BuildxConfig != "":
		return filepath.Join(p.BuildxConfig, "instances"), nil
	case p.DockerConfig != "":
		return filepath.Join(p.DockerConfig, "buildx", "instances"), nil
	case p.Home != "":
		return filepath.Join(p.Home, ".docker", "buildx", "instances"), nil
	}
	return "", err
}

// EditPath changes a definition in a directory, or in a single file. What does
// not exist is made: a file where file is set, else a directory. No other
// author changes it in the meantime, and the file is written whole or not at
// all. It is readable by its owner only, as buildx has it, unless it is there
// already. A relative path begins in the working directory. edit may be called twice.
// Errors are those of edit, or an *Error.
func EditPath(files *source.Reader, workdir, path string, file bool, edit func(Source) (Created, error)) error {
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() || err != nil && file {
		dir = filepath.Dir(path)
	} else if err != nil {
		// A change that is refused leaves no directory behind.
		if _, err := edit(Source{Place: path}); err != nil {
			return err
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return unwritable(path, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "..data")); err == nil {
		return &Error{
			message: "definitions " + path + ": this is a mounted ConfigMap, which is changed in the cluster",
			hints:   []string{"change the ConfigMap itself with --configmap NAMESPACE/NAME, or write elsewhere with --output FILE or --definitions DIRECTORY"},
		}
	}
	unlock, err := lock(dir)
	if err != nil {
		return unwritable(path, err)
	}
	defer unlock()
	from, err := ReadSource(files, path, file)
	if err != nil {
		return err
	}
	made, err := edit(from)
	if err != nil {
		return err
	}
	name := from.label(made.Key)
	place, err := openIn(workdir, name)
	if err == nil {
		// A regular file is written at once: there is nothing to wait for.
		err = place.Write(context.Background(), made.Content, 0o600)
	}
	if err != nil {
		return unwritable(name, err)
	}
	return nil
}

// openIn is target.Open for a path that may begin in the working directory, and lead
// anywhere: it is the user's own.
func openIn(workdir, path string) (target.File, error) {
	path, err := target.Absolute(workdir, path)
	if err != nil {
		return target.File{}, err
	}
	return target.Open("", path)
}

// lock keeps other authors away from a directory. buildx locks a file beside
// its instances, and would take one among them for an instance.
func lock(dir string) (unlock func(), err error) {
	var f *os.File
	if filepath.Base(dir) == instancesDir {
		f, err = os.OpenFile(filepath.Join(filepath.Dir(dir), ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	} else {
		f, err = os.Open(dir)
	}
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close() // the other error says more
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { _ = f.Close() }, nil // which unlocks; nothing was written to it
}

func unwritable(path string, err error) *Error {
	return &Error{
		message: "definitions " + path + " cannot be written",
		hints:   []string{"write elsewhere with --output FILE or --definitions DIRECTORY, to standard output with --output -, or into the cluster with --configmap NAMESPACE/NAME"},
		cause:   reason(err),
	}
}
