package source

import "os"

// IsStream reports whether a path is that of a pipe, a device or a socket: what
// is not on disk and may be there to be read once only.
func IsStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && !info.Mode().IsRegular()
}
