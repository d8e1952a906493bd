package output

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
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
	modes modes    // of the directories in them
	total amount   // of the files in them
	ready *placement
}

// openLocal checks the destination without leaving a trace.
func openLocal(_ context.Context, o Output, env Env) (sink, *fault.Usage) {
	fail := func(problem, hint string) (sink, *fault.Usage) { return nil, o.mistake(problem, hint) }
	existing, rest, err := target.Resolve(env.WorkDir, o.Dest)
	if err != nil {
		return nil, o.unusable(err)
	}
	if err := target.WritableDir(existing); err != nil {
		return fail(fault.Cause(err), "")
	}
	l := &localOutput{output: o, dest: filepath.Join(existing, rest)}
	l.staging.parent = func() (string, error) {
		existing, _, err := target.Resolve("", l.dest)
		return existing, err
	}
	if l.deletes() && !env.AllowDelete {
		if err := deletable(env.WorkDir, l.dest); err != nil {
			return fail("mode=delete: "+err.Error(), "allow it with --allow "+EntitlementLocalDelete)
		}
	}
	return l, nil
}

// deletable fails for a directory that mode=delete may not empty unasked: as
// with buildx, any that is not below the working directory.
func deletable(workdir, dest string) error {
	real, err := filepath.EvalSymlinks(workdir)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(real, dest)
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

func (l *localOutput) entry(of job.Job) (client.ExportEntry, error) {
	return client.ExportEntry{Type: client.ExporterLocal, Attrs: splitAttrs(l.output, of)}, nil
}

func (l *localOutput) begin(of job.Job) (receiver, error) {
	entry, err := l.entry(of)
	if err != nil {
		return receiver{}, err
	}
	dir, err := l.staging.next()
	if err == nil {
		// The mode is the one BuildKit gives to a destination it creates.
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return receiver{}, l.output.unwritable(err, l.staging.where())
	}
	in := &dirReceiver{output: l.output, dir: dir}
	end := func(_ map[string]string, keep bool) error {
		denied, total := in.end()
		if !keep {
			_ = target.RemoveTree(dir) // else it goes with the staging directory
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.trees = append(l.trees, dir)
		l.modes = l.modes.with(denied)
		l.total = l.total.plus(total)
		return nil
	}
	entry.OutputDir = dir
	return receiver{entry: entry, receive: in.receive, failed: in.failed, end: end}, nil
}

func (l *localOutput) seal(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if path, err := conflict(l.trees); err != nil {
		return fmt.Errorf("output %s: %w", l.output, err)
	} else if path != "" {
		return l.output.producedTwice(path)
	}
	if len(l.trees) == 0 {
		return nil
	}
	ready, err := l.arrange(ctx)
	if ctx.Err() != nil {
		return &buildkit.CancelledError{Cause: context.Cause(ctx)}
	}
	if err != nil {
		return l.output.unwritable(err, l.dest)
	}
	l.ready = ready
	return nil
}

// arrange finds out what has to go where, and copies what cannot be renamed to
// its place to the file system where it belongs.
func (l *localOutput) arrange(ctx context.Context) (*placement, error) {
	p := &placement{staging: &l.staging, mounts: target.FindMountPoints(), dest: l.dest, modes: l.modes}
	if l.deletes() {
		wanted, err := paths(l.trees)
		if err != nil {
			return nil, err
		}
		p.wanted = wanted
	}
	for _, tree := range l.trees {
		if err := p.add(ctx, tree); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (l *localOutput) commit(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready == nil {
		return nil
	}
	if err := l.ready.put(ctx); err != nil {
		return notPlaced(ctx, l.output, err)
	}
	l.trees, l.ready = nil, nil
	return nil
}

func (l *localOutput) close() error { return l.staging.close() }

func (l *localOutput) written() Written {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Written{Type: l.output.Type, Dest: l.output.Dest, Files: l.total.files, Bytes: l.total.bytes}
}
