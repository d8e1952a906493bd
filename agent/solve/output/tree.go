package output

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// Tree is a directory on the agent that takes files one by one and shows them all at
// once, by the rules of type=local.
type Tree struct{ local *localOutput }

// OpenTree checks the directory dest that a flag names, without leaving a trace. The
// caller closes the tree.
func OpenTree(ctx context.Context, flag, dest string, env Env) (*Tree, *fault.Usage) {
	opened, problem := openLocal(ctx, Output{Type: client.ExporterLocal, Dest: dest}, env)
	local, ok := opened.(*localOutput)
	if problem != nil || !ok {
		problem.Flag, problem.Value = flag, "dest="+dest
		return nil, problem
	}
	return &Tree{local}, nil
}

// Path is the directory: absolute, without symbolic links in the part that exists.
func (t *Tree) Path() string { return t.local.dest }

// Begin returns a part of the tree that takes files. It must be ended by Keep or Drop.
func (t *Tree) Begin() (*TreePart, error) {
	dir, err := t.local.staging.next()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &TreePart{tree: t, dir: dir, root: root}, nil
}

// Place moves the parts that were kept to their place. Without one nothing appears.
func (t *Tree) Place(ctx context.Context) error {
	if err := t.local.seal(ctx); err != nil {
		return err
	}
	return t.local.commit(ctx)
}

// Close removes what is not in its place.
func (t *Tree) Close() error { return t.local.close() }

// TreePart is a part of a Tree: directories and regular files, nothing else.
type TreePart struct {
	tree *Tree
	dir  string
	root *os.Root

	mu    sync.Mutex
	total amount
}

// Write makes a file, by its path in the tree, with slashes; fill writes its content. A
// file that cannot be completed is removed, one that is there already is an error that
// wraps fs.ErrExist. It may be called from several goroutines.
func (p *TreePart) Write(path string, mode fs.FileMode, modified time.Time, fill func(io.Writer) error) (err error) {
	path = filepath.FromSlash(path)
	if err := p.root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := p.root.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	counted := &countingWriter{out: file}
	err = fill(counted)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = p.root.Chmod(path, mode.Perm()&0o755|0o600)
	}
	if err == nil {
		err = p.root.Chtimes(path, modified, modified)
	}
	if err != nil {
		_ = p.root.Remove(path) // what is left is not kept
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = p.total.plus(amount{1, counted.n})
	return nil
}

// Open opens a file that was written, for reading.
func (p *TreePart) Open(path string) (io.ReadCloser, error) {
	return p.root.Open(filepath.FromSlash(path))
}

// Keep has Place move the part. Without a file it is dropped.
func (p *TreePart) Keep() (files int, bytes int64) {
	closeQuietly(p.root)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total.files == 0 {
		_ = target.RemoveTree(p.dir) // else it goes with the staging directory
		return 0, 0
	}
	p.tree.local.mu.Lock()
	defer p.tree.local.mu.Unlock()
	p.tree.local.trees = append(p.tree.local.trees, p.dir)
	p.tree.local.total = p.tree.local.total.plus(p.total)
	return p.total.files, p.total.bytes
}

// Drop removes the part.
func (p *TreePart) Drop() {
	closeQuietly(p.root)
	_ = target.RemoveTree(p.dir) // else it goes with the staging directory
}

// countingWriter counts the bytes that are written.
type countingWriter struct {
	out io.Writer
	n   int64
}

// Write implements io.Writer.
func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.n += int64(n)
	return n, err
}
