package solve

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-build/slipway/internal/fault"
)

// ReadAhead reads the files of the context, but for those that .dockerignore
// excludes, until ctx ends, so that their times are known by the time when the
// daemon asks for them. It is for agents that wait for a builder to start:
// which of the files the Dockerfile needs is not known yet. What goes wrong
// will go wrong again when it matters.
func (p *Plan) ReadAhead(ctx context.Context) {
	m, ok := p.mounts[mountContext]
	if !ok || m.sums == nil {
		return
	}
	files, err := fsutil.NewFilterFS(m, &fsutil.FilterOpt{ExcludePatterns: p.ignored(m)})
	if err != nil {
		return
	}
	var reading errgroup.Group
	reading.SetLimit(readers())
	_ = files.Walk(ctx, "", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		info, err := entry.Info()
		if err != nil {
			return nil // gone meanwhile
		}
		if stat, ok := info.Sys().(*fstypes.Stat); !ok || !m.reads(stat) {
			return nil
		}
		reading.Go(fault.Guard(func() error {
			_, _, err := m.sums.of(ctx, place(m.root, path), 0)
			return err
		}))
		return nil
	})
	if own := (*fault.Panic)(nil); errors.As(reading.Wait(), &own) {
		panic(own)
	}
}

// ignored are the patterns of the context's ignore file, which the Dockerfile
// may have one of its own of. Without a readable one all files are read.
func (p *Plan) ignored(m mount) []string {
	names := []string{".dockerignore"}
	if dockerfile := p.inputs.Attrs[attrFilename]; dockerfile != "" {
		names = append([]string{dockerfile + ".dockerignore"}, names...)
	}
	for _, name := range names {
		f, err := os.Open(filepath.Join(m.root, filepath.FromSlash(name)))
		if err != nil {
			continue
		}
		patterns, err := ignorefile.ReadAll(io.LimitReader(f, maxIgnoreFile))
		closeQuietly(f)
		if err == nil {
			return patterns
		}
	}
	return nil
}

// maxIgnoreFile bounds an ignore file, in bytes.
const maxIgnoreFile = 1 << 20
