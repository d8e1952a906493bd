package target

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// MountPoints are absolute paths, without symbolic links, at which something
// is mounted. A mount of the same file system has the device number of what it
// lies in, such as two emptyDirs of one cluster node, but nothing can be
// renamed from one to the other.
type MountPoints map[string]bool

// FindMountPoints returns the mount points of the process; none where the
// kernel does not tell.
func FindMountPoints() MountPoints {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	return parseMountPoints(f)
}

// parseMountPoints reads the form of /proc/self/mountinfo, whose fifth field is
// the mount point. Spaces and the like are written as three octal digits.
func parseMountPoints(from io.Reader) MountPoints {
	found := MountPoints{}
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

// Below returns a mount point in a directory; empty when there is none.
func (m MountPoints) Below(dir string) string {
	for path := range m {
		if strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") {
			return path
		}
	}
	return ""
}
