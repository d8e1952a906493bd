package output

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
)

// checkTar finds mistakes in a type=tar output.
func checkTar(o Output) (problem, hint string) { return checkAttrs(o, fileAttributes) }

func openTar(_ context.Context, o Output, env Env) (sink, *fault.Usage) {
	dest, problem := openDestination(o, env)
	if problem != nil {
		return nil, problem
	}
	return &tarOutput{output: o, dest: dest, staging: staging{parent: dest.parent}}, nil
}

// tarOutput is the sink of type=tar: a stream per solve, each in a file of
// its own, made one when all have ended.
type tarOutput struct {
	output  Output
	dest    destination
	staging staging

	mu    sync.Mutex
	files []staged
	ready string // the file to place
	size  int64  // of it, in bytes
}

// staged is what one solve has left in staging.
type staged struct {
	job  int // its place among the jobs of the build
	path string
}

func (t *tarOutput) traits() traits { return t.dest.traits() }

func (t *tarOutput) entry(of job.Job) (client.ExportEntry, error) {
	return client.ExportEntry{Type: client.ExporterTar, Attrs: splitAttrs(t.output, of)}, nil
}

func (t *tarOutput) begin(of job.Job) (receiver, error) {
	entry, err := t.entry(of)
	if err != nil {
		return receiver{}, err
	}
	path, err := t.staging.next()
	if err != nil {
		return receiver{}, t.output.unwritable(err, t.staging.where())
	}
	in := &fileReceiver{output: t.output, path: path}
	end := func(_ map[string]string, keep bool) error {
		if err := in.end(keep); err != nil || !keep {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.files = append(t.files, staged{of.Place(), path})
		return nil
	}
	entry.Output = in.open
	return receiver{entry: entry, failed: in.failed, end: end}, nil
}

// splitAttrs are the attributes of an exporter of files for one solve. A
// build of several platforms has a directory per platform even when this
// solve has only one of them; BuildKit would decide by the solve.
func splitAttrs(o Output, of job.Job) map[string]string {
	attrs := maps.Clone(o.Attrs)
	if attrs == nil {
		attrs = map[string]string{}
	}
	// Removing other files is done in the destination, not in staging.
	delete(attrs, attrMode)
	if _, ok := attrs[attrPlatformSplit]; !ok && !of.Single {
		attrs[attrPlatformSplit] = "true"
	}
	return attrs
}

func (t *tarOutput) seal(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.files) == 0 {
		return nil
	}
	if err := t.dest.check(); err != nil {
		return t.output.unwritable(err, t.staging.where())
	}
	slices.SortFunc(t.files, func(a, b staged) int { return a.job - b.job })
	paths := make([]string, len(t.files))
	for i, f := range t.files {
		paths[i] = f.path
	}
	if err := mergeTars(ctx, t.output, paths); err != nil {
		return t.output.unwritable(err, t.staging.where())
	}
	t.ready, t.size = paths[0], fileSize(paths[0])
	return nil
}

func (t *tarOutput) commit(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready == "" {
		return nil
	}
	if err := t.dest.place(ctx, t.ready); err != nil {
		return notPlaced(ctx, t.output, err)
	}
	t.ready, t.files = "", nil
	return nil
}

// notPlaced is the error of a commit that failed.
func notPlaced(ctx context.Context, o Output, err error) error {
	if ctx.Err() != nil {
		return &buildkit.CancelledError{Cause: context.Cause(ctx)}
	}
	return o.unwritable(err, o.Dest)
}

func (t *tarOutput) close() error { return t.staging.close() }

func (t *tarOutput) written() Written {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Written{Type: t.output.Type, Dest: t.output.Dest, Bytes: t.size}
}
