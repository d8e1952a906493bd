package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// key names what a build of these sources with this compiler gives: whatever
// can change the programs is part of it.
func key(source fs.FS, compiler string, targets []target) (string, error) {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%q %q %#v\n", compiler, flags, targets) // a hash takes everything
	err := fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && isOnDemand(path) {
			return fs.SkipDir // it is compiled by itself
		}
		if err != nil || d.IsDir() || !isSource(path) {
			return err
		}
		content, err := fs.ReadFile(source, path)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(hash, "%q %x\n", path, sha256.Sum256(content))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the sources of the components: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

func isSource(file string) bool {
	name := path.Base(file)
	return name == "go.mod" || name == "go.sum" || strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go")
}
