package contextfs

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

// ReadAhead reads the files of the directory until ctx ends, but for those that its
// ignore file excludes. Their times are known then by the time when the daemon asks
// for them. It is for agents that wait for a builder to start: which of the files
// the Dockerfile needs is not known yet. What goes wrong will go wrong again when it
// matters. dockerfile is the name of the Dockerfile, which may have an ignore file
// of its own; empty for none.
func (m Mount) ReadAhead(ctx context.Context, dockerfile string) {
	if m.Sums == nil {
		return
	}
	files, err := fsutil.NewFilterFS(m, &fsutil.FilterOpt{ExcludePatterns: m.ignored(dockerfile)})
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
			_, _, err := m.Sums.of(ctx, place(m.root, path), 0)
			return err
		}))
		return nil
	})
	if own := (*fault.Panic)(nil); errors.As(reading.Wait(), &own) {
		panic(own)
	}
}

// ignored are the patterns of the ignore file. Without a readable one all files
// are read.
func (m Mount) ignored(dockerfile string) []string {
	names := []string{IgnoreFile}
	if dockerfile != "" {
		names = append([]string{dockerfile + IgnoreFile}, names...)
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
