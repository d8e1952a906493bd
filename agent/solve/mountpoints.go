package solve

import (
	"bufio"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// mountPoints are absolute paths, without symbolic links, at which something
// is mounted. A mount of the same file system has the device number of what it
// lies in, such as two emptyDirs of one cluster node, but nothing can be
// renamed from one to the other.
type mountPoints map[string]bool

// findMountPoints returns the mount points of the process; none where the
// kernel does not tell.
func findMountPoints() mountPoints {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer closeQuietly(f)
	return parseMountPoints(f)
}

// parseMountPoints reads the form of /proc/self/mountinfo, whose fifth field is
// the mount point. Spaces and the like are written as three octal digits.
func parseMountPoints(from io.Reader) mountPoints {
	found := mountPoints{}
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		found[unescapeOctal(fields[4])] = true
	}
	return found
}

func unescapeOctal(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(after) >= 3 {
			if code, err := strconv.ParseUint(after[:3], 8, 8); err == nil {
				b.WriteByte(byte(code))
				text = after[3:]
				continue
			}
		}
		b.WriteByte('\\')
		text = after
	}
}

// below returns a mount point in a directory; empty when there is none.
func (m mountPoints) below(dir string) string {
	for path := range m {
		if strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") {
			return path
		}
	}
	return ""
}

// separate reports whether files cannot be renamed from a directory into one of
// its directories: there is a mount, or a subvolume with a device of its own.
func (m mountPoints) separate(parent fs.FileInfo, path string, dir fs.FileInfo) bool {
	return m[filepath.Clean(path)] || deviceOf(parent) != deviceOf(dir)
}

// deviceOf is the number of the file system that a file is on.
func deviceOf(info fs.FileInfo) uint64 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(stat.Dev) //nolint:unconvert // its type differs between systems
}
