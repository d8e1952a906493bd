package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
)

// Set is the caches of a build: what it reads and what it writes.
type Set struct{ From, To []Entry }

// Options are the caches of one job as BuildKit takes them. Two nodes that write the same cache would
// overwrite each other, so what several jobs export is split: each has its
// own, named after its platforms. What they import is each cache as written
// (one node may have made it) and the parts of all jobs, because a stage that
// runs on the build platform is worth the same to every node.
//
// platform-split=BOOL of an entry decides otherwise for it. With inline there is
// an inline cache whether or not the set has one.
func (s Set) Options(j job.Job, inline bool) (imports, exports []client.CacheOptionsEntry) {
	for _, c := range s.From {
		for _, part := range append([]Entry{c}, parts(c, j)...) {
			entry := part.entry()
			same := func(e client.CacheOptionsEntry) bool { return e.Type == entry.Type && maps.Equal(e.Attrs, entry.Attrs) }
			if !slices.ContainsFunc(imports, same) {
				imports = append(imports, entry)
			}
		}
	}
	for _, c := range s.To {
		if splits(c, j) {
			c = part(c, j.Platforms)
		}
		exports = append(exports, c.entry())
	}
	isInline := func(e client.CacheOptionsEntry) bool { return e.Type == TypeInline }
	if inline && !slices.ContainsFunc(exports, isInline) {
		exports = append(exports, Entry{Type: TypeInline}.entry())
	}
	return imports, exports
}

// entry is the cache as BuildKit takes it.
func (c Entry) entry() client.CacheOptionsEntry {
	attrs := make(map[string]string, len(c.Attrs))
	maps.Copy(attrs, c.Attrs)
	delete(attrs, attrPlatformSplit)
	return client.CacheOptionsEntry{Type: c.Type, Attrs: attrs}
}

// splits reports whether a cache is divided by platform.
func splits(c Entry, j job.Job) bool {
	kind, ok := findBackend(c.Type)
	if !ok || !kind.splits() {
		return false
	}
	if on, err := strconv.ParseBool(c.Attrs[attrPlatformSplit]); err == nil {
		return on
	}
	return j.Several()
}

// parts are the parts of an import, one per job of the build.
func parts(c Entry, j job.Job) []Entry {
	siblings := j.Siblings
	if len(siblings) == 0 {
		siblings = [][]ocispecs.Platform{j.Platforms}
	}
	// That a directory holds no such part is seen without asking anybody, so
	// a build for one platform also finds what a build for several wrote.
	probe := c.Type == TypeLocal && c.Attrs[attrPlatformSplit] == ""
	if !splits(c, j) && !probe {
		return nil
	}
	var list []Entry
	for _, sibling := range siblings {
		list = append(list, part(c, sibling))
	}
	return list
}

// part is a cache's part for platforms. A cache that a digest names has none.
func part(c Entry, of []ocispecs.Platform) Entry {
	suffix := suffixOf(of)
	if suffix == "" || c.Attrs["digest"] != "" {
		return c
	}
	c.Attrs = maps.Clone(c.Attrs)
	if c.Type == TypeLocal {
		for _, key := range []string{"src", "dest"} {
			if dir := c.Attrs[key]; dir != "" {
				// As a local output names its directories.
				c.Attrs[key] = filepath.Join(dir, strings.ReplaceAll(suffix, "-", "_"))
			}
		}
		return c
	}
	kind, ok := findBackend(c.Type)
	if !ok || kind.part == "" {
		return c
	}
	name := c.Attrs[kind.part]
	if name == "" {
		name = kind.partDefault
	}
	if kind.name == TypeRegistry {
		c.Attrs[kind.part] = splitReference(name, suffix)
		return c
	}
	// s3 and azblob take several names at once.
	names := strings.Split(name, ";")
	for i := range names {
		names[i] += "-" + suffix
	}
	c.Attrs[kind.part] = strings.Join(names, ";")
	return c
}

const (
	// maxTag is how long a tag may be, see the OCI distribution specification.
	maxTag = 128
	// maxSuffix leaves room for the tag itself, and for names in file systems
	// and object stores.
	maxSuffix = 64
)

// suffixOf names platforms so that it can be part of a tag: linux-arm-v7,
// linux-amd64_linux-386. Their order does not matter. It is empty for none.
func suffixOf(list []ocispecs.Platform) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = strings.Map(tagRune, platforms.FormatAll(p))
	}
	slices.Sort(names)
	suffix := strings.Join(names, "_")
	if len(suffix) > maxSuffix {
		return "platforms-" + shortHash(suffix)
	}
	return suffix
}

// tagRune replaces what a tag cannot hold.
func tagRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_':
		return r
	default:
		return '-'
	}
}

// splitReference appends a suffix to a reference's tag. A reference with a
// digest stays as it is.
func splitReference(ref, suffix string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	if _, ok := named.(reference.Digested); ok {
		return ref
	}
	tag := "latest"
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	tag += "-" + suffix
	if len(tag) > maxTag {
		hash := shortHash(tag)
		tag = tag[:maxTag-len(hash)-1] + "-" + hash
	}
	split, err := reference.WithTag(reference.TrimNamed(named), tag)
	if err != nil {
		return ref
	}
	return reference.FamiliarString(split)
}

// shortHash tells names apart that are too long to be used whole.
func shortHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}
