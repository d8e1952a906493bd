package solve

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"
)

// The attributes of type=local, see BuildKit's exporter/local.
const (
	attrPlatformSplit     = "platform-split"
	attrMode              = "mode"
	attrAttestationPrefix = "attestation-prefix"
	attrSourceDateEpoch   = "source-date-epoch"
)

// stagingPrefix starts the name of the directories that hold files until all
// solves have succeeded. They lie beside or in the destination, so that files
// can be renamed into place, and are never sent as part of a context.
const stagingPrefix = ".slipway-staging-"

// checkLocal finds mistakes in a type=local output. BuildKit ignores
// attributes it does not know; here they are an error.
func checkLocal(o Output) (problem, hint string) {
	switch o.Dest {
	case "":
		return "dest is missing", "add dest=DIR"
	case "-":
		return "type=local cannot go to stdout", "give a directory: dest=DIR"
	}
	for _, key := range slices.Sorted(maps.Keys(o.Attrs)) {
		value := o.Attrs[key]
		switch key {
		case attrPlatformSplit:
			if _, err := strconv.ParseBool(value); err != nil {
				return fmt.Sprintf("%s=%q is neither true nor false", key, value), ""
			}
		case attrMode:
			if _, err := client.ParseLocalExporterMode(value); err != nil {
				return fmt.Sprintf("unknown mode %q", value), "there are mode=copy and mode=delete"
			}
		case attrSourceDateEpoch:
			if _, err := strconv.ParseInt(value, 10, 64); value != "" && err != nil {
				return fmt.Sprintf("%s=%q is not a number of seconds", key, value), ""
			}
		case attrAttestationPrefix:
		default:
			return fmt.Sprintf("type=local has no attribute %q", key), fmt.Sprintf("it has dest, %s, %s, %s and %s", attrPlatformSplit, attrMode, attrSourceDateEpoch, attrAttestationPrefix)
		}
	}
	return "", ""
}

// localOutput is the sink of type=local.
type localOutput struct {
	output Output
	// dest is absolute; symbolic links in the part that exists are resolved.
	dest string

	mu      sync.Mutex
	staging string   // created with the first solve
	begun   int      // solves, for the names in staging
	trees   []string // directories in staging whose solve succeeded
}

// openLocal checks the destination without leaving a trace.
func openLocal(o Output, allowDelete bool) (sink, *UsageError) {
	fail := func(problem, hint string) (sink, *UsageError) {
		return nil, &UsageError{Flag: "--output", Value: "type=local,dest=" + o.Dest, Problem: problem, Hint: hint}
	}
	existing, rest, err := resolveExisting(o.Dest)
	if err != nil {
		return fail(cause(err), "")
	}
	info, err := os.Stat(existing)
	if err != nil {
		return fail(cause(err), "")
	}
	if !info.IsDir() {
		return fail(fmt.Sprintf("%s is not a directory", existing), "")
	}
	// The kernel's answer covers read-only file systems, too.
	if err := unix.Access(existing, unix.W_OK|unix.X_OK); err != nil {
		return fail(fmt.Sprintf("directory %s is not writable: %s", existing, err), "")
	}
	l := &localOutput{output: o, dest: filepath.Join(existing, rest)}
	if l.deletes() && !allowDelete {
		if err := deletable(l.dest); err != nil {
			return fail("mode=delete: "+err.Error(), "allow it with --allow "+allowLocalDelete)
		}
	}
	return l, nil
}

// resolveExisting splits a path into the directory that exists, absolute and
// without symbolic links, and the rest that does not.
func resolveExisting(path string) (existing, rest string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", "", err
	}
	for {
		existing, err = filepath.EvalSymlinks(path)
		if err == nil {
			return existing, rest, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		if _, lerr := os.Lstat(path); lerr == nil {
			return "", "", fmt.Errorf("%s is a symbolic link to nothing", path)
		}
		rest = filepath.Join(filepath.Base(path), rest)
		path = filepath.Dir(path)
	}
}

// deletable fails for a directory that mode=delete may not empty unasked: as
// with buildx, any that is not below the working directory.
func deletable(dest string) error {
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	wd, err = filepath.EvalSymlinks(wd)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(wd, dest)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return fmt.Errorf("%s is not below the working directory, its other files would be removed", dest)
	}
	return nil
}

// deletes reports whether files that the build did not produce are removed.
func (l *localOutput) deletes() bool {
	return strings.EqualFold(strings.TrimSpace(l.output.Attrs[attrMode]), string(client.LocalExporterModeDelete))
}

// localEntry is BuildKit's exporter entry for one solve that writes to dir. A
// build of several platforms has a directory per platform even when this
// solve has only one of them; BuildKit would decide by the solve.
func localEntry(o Output, job Job, dir string) client.ExportEntry {
	attrs := maps.Clone(o.Attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	// Removing other files is done in the destination, not in staging.
	delete(attrs, attrMode)
	if _, ok := attrs[attrPlatformSplit]; !ok && !job.Single {
		attrs[attrPlatformSplit] = "true"
	}
	return client.ExportEntry{Type: client.ExporterLocal, Attrs: attrs, OutputDir: dir}
}

func (l *localOutput) begin(job Job) (client.ExportEntry, func(bool) error, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.staging == "" {
		existing, _, err := resolveExisting(l.dest)
		if err != nil {
			return client.ExportEntry{}, nil, err
		}
		l.staging, err = os.MkdirTemp(existing, stagingPrefix)
		if err != nil {
			return client.ExportEntry{}, nil, fmt.Errorf("output %s: %w", l.output.Dest, err)
		}
	}
	dir := filepath.Join(l.staging, strconv.Itoa(l.begun))
	l.begun++
	// The mode is the one BuildKit gives to a destination it creates.
	if err := os.Mkdir(dir, 0o700); err != nil {
		return client.ExportEntry{}, nil, fmt.Errorf("output %s: %w", l.output.Dest, err)
	}
	end := func(keep bool) error {
		if !keep {
			return removeTree(dir)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.trees = append(l.trees, dir)
		return nil
	}
	return localEntry(l.output, job, dir), end, nil
}

func (l *localOutput) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if path, err := clash(l.trees); err != nil {
		return fmt.Errorf("output %s: %w", l.output.Dest, err)
	} else if path != "" {
		return &UsageError{
			Flag: "--output", Value: "type=local,dest=" + l.output.Dest,
			Problem: fmt.Sprintf("several platforms produced %s", path),
			Hint:    "leave " + attrPlatformSplit + "=false out, each platform then gets a directory of its own",
		}
	}
	for _, tree := range l.trees {
		if err := mergeable(tree, l.dest); err != nil {
			return fmt.Errorf("output %s: %w", l.output.Dest, err)
		}
	}
	return nil
}

func (l *localOutput) commit() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.trees) == 0 {
		return nil
	}
	if err := l.place(); err != nil {
		return fmt.Errorf("output %s: %w", l.output.Dest, err)
	}
	l.trees = nil
	return nil
}

// place moves the trees to the destination. One that does not exist appears
// at once, complete.
func (l *localOutput) place() error {
	var wanted map[string]bool
	if l.deletes() {
		var err error
		if wanted, err = paths(l.trees); err != nil {
			return err
		}
	}
	if _, err := os.Stat(l.dest); errors.Is(err, fs.ErrNotExist) {
		for _, tree := range l.trees[1:] {
			if err := merge(tree, l.trees[0]); err != nil {
				return err
			}
		}
		return appear(l.trees[0], l.dest)
	} else if err != nil {
		return err
	}
	for _, tree := range l.trees {
		if err := merge(tree, l.dest); err != nil {
			return err
		}
	}
	if wanted != nil {
		return prune(l.dest, wanted)
	}
	return nil
}

// appear moves a complete tree to where nothing was a moment ago.
func appear(tree, dest string) error {
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return err
	}
	err := os.Rename(tree, dest)
	if errors.Is(err, fs.ErrExist) {
		// A concurrent build was faster.
		return merge(tree, dest)
	}
	return err
}

func (l *localOutput) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.staging == "" {
		return nil
	}
	if err := removeTree(l.staging); err != nil {
		return fmt.Errorf("remove staging directory: %w", err)
	}
	l.staging, l.trees = "", nil
	return nil
}
