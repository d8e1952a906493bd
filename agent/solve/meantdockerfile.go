package solve

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipway-build/slipway/internal/suggest"
)

// meantDockerfile is a hint about a Dockerfile that is not there: it lies in the
// context, or is called otherwise. It is empty where nothing like it is found.
func meantDockerfile(path, context string) string {
	if !filepath.IsAbs(path) && filepath.Clean(context) != "." {
		inContext := filepath.Join(context, path)
		if info, err := os.Stat(inContext); err == nil && info.Mode().IsRegular() {
			return fmt.Sprintf("did you mean %s? --file is relative to the working directory, not to the context", inContext)
		}
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer closeQuietly(dir)
	names, _ := dir.Readdirnames(maxSearched) // what could be read is enough for a hint
	if near := suggest.Nearest(filepath.Base(path), names); near != "" {
		return fmt.Sprintf("did you mean %s?", filepath.Join(filepath.Dir(path), near))
	}
	return ""
}
