package solve

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/slipway-build/slipway/internal/target"
)

// mount is a directory that the daemon may read.
type mount struct {
	fsutil.FS
	// root is its absolute path; empty when it is not on disk.
	root string
	// sums make the times of its files; nil leaves them as they are.
	sums *sums
	// keep leaves all times as they are but those that say too little.
	keep bool
}

// reads reports whether the time of an entry depends on its content.
func (m mount) reads(stat *fstypes.Stat) bool {
	return m.sums != nil && hasContent(stat) && (!m.keep || fractionless(stat.ModTime))
}

// timeOf is the time that an entry is sent with; digest is that of its content
// if it is read.
func (m mount) timeOf(stat *fstypes.Stat, digest contentSum) int64 {
	switch {
	case m.keep && !m.reads(stat):
		return stat.ModTime
	case m.keep:
		return keptTime(stat.ModTime, digest, stat.Xattrs)
	case !hasContent(stat):
		return plainTime
	}
	return contentTime(digest, stat.Xattrs)
}

// openDir opens a directory for the daemon to read, without the staging
// directories of this or a concurrent build: they come and go, and a context
// that contains the destination of an output would send half of a result.
func openDir(dir string) (mount, error) {
	// NewFS follows links in its root, and so must those who read beside it.
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return mount{}, err
	}
	base, err := fsutil.NewFS(root)
	if err != nil {
		return mount{}, err
	}
	files, err := fsutil.NewFilterFS(base, &fsutil.FilterOpt{Map: func(path string, stat *fstypes.Stat) fsutil.MapResult {
		if os.FileMode(stat.Mode).IsDir() && strings.HasPrefix(filepath.Base(path), target.StagingPrefix) {
			return fsutil.MapResultSkipDir
		}
		// As BuildKit's client does: who owns a clone says nothing of an image.
		stat.Uid, stat.Gid = 0, 0
		return fsutil.MapResultKeep
	}})
	return mount{FS: files, root: root}, err
}
