package contextfs

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"math/bits"
	"os"
	"slices"
	"strings"
	"time"

	fstypes "github.com/tonistiigi/fsutil/types"
)

// The times that files are sent with lie between 1985 and 2021: what is made
// in a build is newer, and a zip file can hold them (its times begin in 1980).
var (
	firstTime = time.Date(1985, time.January, 1, 0, 0, 0, 0, time.UTC).UnixNano()

	// plainTime is that of what has no content: directories, symbolic links,
	// devices. BuildKit compares links by their target, devices by their
	// number, and does not compare the times of directories.
	plainTime = firstTime
)

// timeBits is the span of the times: 2^60 ns are 36.5 years. Two contents of
// one size get the same time with a probability of 2^-60.
const timeBits = 60

// contentSum is the SHA-256 of a file's content. A fast hash without cryptography
// would do against accidents; this one also keeps somebody who may write one
// file of a repository from making another content with the same time, which
// a builder would take for the one it has.
type contentSum [sha256.Size]byte

func newHash() hash.Hash { return sha256.New() }

func sumOf(h hash.Hash) (d contentSum) {
	h.Sum(d[:0])
	return d
}

// contentTime is the modification time for a file, in ns since 1970: a
// function of its content and of those extended attributes that BuildKit's
// cache keys hold, for BuildKit compares neither.
func contentTime(content contentSum, xattrs map[string][]byte) int64 {
	return firstTime + int64(contentBits(content, xattrs)>>(64-timeBits))
}

// keptFractions is the number of different fractions that a kept time can get,
// in ns. They end before half a second: layers of images hold the second that
// a time lies in, but a tar from BuildKit's exporter the nearest.
const keptFractions = 500_000_000

// fractionless reports whether a time, in ns since 1970, is a whole second.
// Those were set by a tool (touch, tar, zip, git archive, Bazel), so files of
// different contents may share them, and BuildKit would take one for another.
func fractionless(modTime int64) bool { return modTime%int64(time.Second) == 0 }

// keptTime is the time for a file that keeps its own: a whole second gets a
// fraction that is a function of what contentTime is one of. Two contents of
// one size get the same with a probability of 2^-28.9.
func keptTime(modTime int64, content contentSum, xattrs map[string][]byte) int64 {
	if !fractionless(modTime) {
		return modTime
	}
	fraction, _ := bits.Mul64(contentBits(content, xattrs), keptFractions)
	return modTime + int64(fraction)
}

// contentBits are 64 bits of the digest of what BuildKit does not compare.
func contentBits(content contentSum, xattrs map[string][]byte) uint64 {
	d := content
	if counted := countedXattrs(xattrs); len(counted) > 0 {
		h := newHash()
		h.Write(content[:])
		for _, name := range counted {
			writeField(h, []byte(name))
			writeField(h, xattrs[name])
		}
		d = sumOf(h)
	}
	return binary.BigEndian.Uint64(d[:])
}

// writeField writes a value with its length, so that two values cannot pass
// for two others.
func writeField(h hash.Hash, value []byte) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(value)))
	h.Write(size[:])
	h.Write(value)
}

// countedXattrs are the names of the attributes that BuildKit's cache keys
// hold, sorted. The others are labels of the machine, such as that of SELinux,
// which differs from pod to pod.
func countedXattrs(xattrs map[string][]byte) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		if name == "security.capability" || !strings.HasPrefix(name, "security.") && !strings.HasPrefix(name, "system.") {
			names = append(names, name)
		}
	}
	return names
}

// hasContent reports whether an entry of a context is a regular file, a hard
// link to one included.
func hasContent(stat *fstypes.Stat) bool { return os.FileMode(stat.Mode).IsRegular() }
