package solve

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// openDir opens a directory for the daemon to read, without the staging
// directories of this or a concurrent build: they come and go, and a context
// that contains the destination of an output would send half of a result.
func openDir(dir string) (fsutil.FS, error) {
	base, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	return fsutil.NewFilterFS(base, &fsutil.FilterOpt{Map: func(path string, stat *fstypes.Stat) fsutil.MapResult {
		if os.FileMode(stat.Mode).IsDir() && strings.HasPrefix(filepath.Base(path), stagingPrefix) {
			return fsutil.MapResultSkipDir
		}
		return fsutil.MapResultKeep
	}})
}
