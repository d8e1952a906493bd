package contextfs

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/slipway-build/slipway/internal/target"
)

// Mount is a directory that the daemon may read.
type Mount struct {
	// FS are its files.
	fsutil.FS
	// root is its absolute path; empty when it is not on disk.
	root string
	// Sums make the times of its files; nil leaves them as they are.
	Sums *Sums
	// Keep leaves all times as they are but those that say too little.
	Keep bool
	// Account adds up what is sent; nil for nobody who wants to know.
	Account *Account
}

// reads reports whether the time of an entry depends on its content.
func (m Mount) reads(stat *fstypes.Stat) bool {
	return m.Sums != nil && hasContent(stat) && (!m.Keep || fractionless(stat.ModTime))
}

// timeOf is the time that an entry is sent with; digest is that of its content
// if it is read.
func (m Mount) timeOf(stat *fstypes.Stat, digest contentSum) int64 {
	switch {
	case m.Keep && !m.reads(stat):
		return stat.ModTime
	case m.Keep:
		return keptTime(stat.ModTime, digest, stat.Xattrs)
	case !hasContent(stat):
		return plainTime
	}
	return contentTime(digest, stat.Xattrs)
}

// OneFile is a directory with one file that is not on disk. Its time is a function
// of the content, for the builder keeps the file of the build before and compares
// times and sizes.
func OneFile(name string, data []byte) Mount {
	dir := staticfs.NewFS()
	dir.Add(name, &fstypes.Stat{
		Mode: 0o644, Path: name, Size: int64(len(data)), ModTime: contentTime(sha256.Sum256(data), nil),
	}, data)
	return Mount{FS: dir}
}

// OpenDir opens a directory for the daemon to read, without the staging
// directories of this or a concurrent build: they come and go, and a context
// that contains the destination of an output would send half of a result. The error
// is that of the file system.
func OpenDir(dir string) (Mount, error) {
	// NewFS follows links in its root, and so must those who read beside it.
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return Mount{}, err
	}
	base, err := fsutil.NewFS(root)
	if err != nil {
		return Mount{}, err
	}
	files, err := fsutil.NewFilterFS(base, &fsutil.FilterOpt{Map: func(path string, stat *fstypes.Stat) fsutil.MapResult {
		if os.FileMode(stat.Mode).IsDir() && strings.HasPrefix(filepath.Base(path), target.StagingPrefix) {
			return fsutil.MapResultSkipDir
		}
		// As BuildKit's client does: who owns a clone says nothing of an image.
		stat.Uid, stat.Gid = 0, 0
		return fsutil.MapResultKeep
	}})
	return Mount{FS: files, root: root}, err
}
