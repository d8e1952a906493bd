package solve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"

	"github.com/slipway-build/slipway/internal/target"
)

// checkLocal finds mistakes in a type=local output.
func checkLocal(o Output) (problem, hint string) {
	switch o.Dest {
	case "":
		return "dest is missing", "add dest=DIR"
	case "-":
		return "type=local cannot go to stdout", "give a directory: dest=DIR"
	}
	return checkAttrs(o, fileAttributes)
}

// localOutput is the sink of type=local.
type localOutput struct {
	output Output
	// dest is absolute; symbolic links in the part that exists are resolved.
	dest string

	staging staging

	mu    sync.Mutex
	trees []string // directories in staging whose solve succeeded
}

// openLocal checks the destination without leaving a trace.
func openLocal(_ context.Context, o Output, r Request) (sink, *UsageError) {
	fail := func(problem, hint string) (sink, *UsageError) { return nil, o.mistake(problem, hint) }
	existing, rest, err := target.Resolve(r.WorkDir, o.Dest)
	if err != nil {
		return nil, o.unusable(err)
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
	l.staging.parent = func() (string, error) {
		existing, _, err := target.Resolve("", l.dest)
		return existing, err
	}
	if l.deletes() && !slices.Contains(r.Allow, allowLocalDelete) {
		if err := deletable(l.dest); err != nil {
			return fail("mode=delete: "+err.Error(), "allow it with --allow "+allowLocalDelete)
		}
	}
	return l, nil
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

func (l *localOutput) traits() traits { return traits{place: l.dest, turn: turnDir} }

func (l *localOutput) entry(job Job) (client.ExportEntry, error) {
	return client.ExportEntry{Type: client.ExporterLocal, Attrs: splitAttrs(l.output, job)}, nil
}

func (l *localOutput) begin(job Job) (attempt, error) {
	entry, err := l.entry(job)
	if err != nil {
		return attempt{}, err
	}
	dir, err := l.staging.next()
	if err == nil {
		// The mode is the one BuildKit gives to a destination it creates.
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return attempt{}, l.output.unwritable(err, l.staging.where())
	}
	end := func(_ map[string]string, keep bool) error {
		if !keep {
			return removeTree(dir)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.trees = append(l.trees, dir)
		return nil
	}
	failed := func() error { return l.noRoom(dir) }
	entry.OutputDir = dir
	return attempt{entry: entry, failed: failed, end: end}, nil
}

// noRoom finds out whether the agent's disk is full. BuildKit's client
// receives the files and keeps its errors to itself; the daemon only sees
// that the stream has ended. Files in staging say that the build had come to
// its export, and while the part that was written is still there, a disk that
// was full is full.
func (l *localOutput) noRoom(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return nil
	}
	if probe := probeRoom(dir); full(probe) {
		return l.output.unwritable(&fs.PathError{Op: "write", Path: dir, Err: errnoOf(probe)}, dir)
	}
	return nil
}

func (l *localOutput) seal(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if path, err := clash(l.trees); err != nil {
		return fmt.Errorf("output %s: %w", l.output, err)
	} else if path != "" {
		return l.output.severalProduced(path)
	}
	for _, tree := range l.trees {
		if err := mergeable(tree, l.dest); err != nil {
			return l.output.unwritable(err, l.dest)
		}
	}
	return nil
}

func (l *localOutput) commit(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.trees) == 0 {
		return nil
	}
	if err := l.put(); err != nil {
		return l.output.unwritable(err, l.dest)
	}
	l.trees = nil
	return nil
}

// put moves the trees to the destination. One that does not exist appears
// at once, complete.
func (l *localOutput) put() error {
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

func (l *localOutput) close() error { return l.staging.close() }
