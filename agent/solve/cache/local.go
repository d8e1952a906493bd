package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/layout"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// resolveLocal checks the directory of a local cache. One that shall be
// read may be missing, as in the first build of all.
func (r *resolution) resolveLocal(d direction, c Entry) {
	if d.export {
		dir := c.Attrs["dest"]
		if err := checkDest(r.workdir, dir); err != nil {
			problem := &fault.Usage{Flag: d.flag, Value: "type=local,dest=" + dir, Problem: fault.Cause(err)}
			if leaves := (*target.LeavesError)(nil); errors.As(err, &leaves) {
				problem.Hint = leaves.Hint()
			}
			r.mistakes.Add(problem)
		}
		return
	}
	if dir := c.Attrs["src"]; !holdsCache(dir) {
		r.warnings = append(r.warnings, fmt.Sprintf("%s type=local: there is no cache in %s, the build goes without", d.flag, dir))
	}
}

// checkDest fails when nothing can be written to a directory that may not
// exist yet, or links in it lead out of the working directory. A cache that is
// split by platform has its parts in sub-directories.
func checkDest(workdir, dir string) error {
	existing, rest, err := target.Resolve(workdir, dir)
	if err != nil {
		return err
	}
	if err := target.WritableDir(existing); err != nil || rest != "" {
		return err
	}
	entries, err := os.ReadDir(existing)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if part := filepath.Join(dir, entry.Name()); entry.IsDir() || entry.Type()&os.ModeSymlink != 0 {
			if _, _, err := target.Resolve(workdir, part); err != nil {
				return err
			}
			if err := layout.CheckLinks(workdir, part); err != nil {
				return err
			}
		}
	}
	return layout.CheckLinks(workdir, dir)
}

// holdsCache reports whether a directory holds a cache or, split by platform,
// its sub-directories do.
func holdsCache(dir string) bool {
	for _, pattern := range []string{".", "*"} {
		// The only possible error is a bad pattern, from a directory with a
		// bracket in its name.
		if found, err := filepath.Glob(filepath.Join(dir, pattern, ocispecs.ImageIndexFile)); err != nil || len(found) > 0 {
			return true
		}
	}
	return false
}

// Present keeps the imports that exist as far as the agent can tell: of local
// caches, those whose index names a cache. BuildKit's client would look, too,
// but it creates directories that are missing and locks the index, which two
// solves at once or a read-only mount do not permit.
func Present(imports []client.CacheOptionsEntry) []client.CacheOptionsEntry {
	var kept []client.CacheOptionsEntry
	for _, entry := range imports {
		if entry.Type != TypeLocal {
			kept = append(kept, entry)
			continue
		}
		dir, want := entry.Attrs["src"], digest.Digest(entry.Attrs["digest"])
		if want == "" {
			want = indexed(dir, entry.Attrs["tag"])
		}
		if want.Validate() != nil {
			continue
		}
		blob := filepath.Join(dir, ocispecs.ImageBlobsDir, want.Algorithm().String(), want.Encoded())
		if _, err := os.Stat(blob); err != nil {
			continue
		}
		attrs := maps.Clone(entry.Attrs)
		attrs["digest"] = want.String()
		kept = append(kept, client.CacheOptionsEntry{Type: entry.Type, Attrs: attrs})
	}
	return kept
}

// indexed is the digest that a cache directory's index has for a tag; empty
// when there is none, or no index that can be read.
func indexed(dir, tag string) digest.Digest {
	if tag == "" {
		tag = "latest"
	}
	data, err := layout.ReadFile(filepath.Join(dir, ocispecs.ImageIndexFile))
	if err != nil {
		return ""
	}
	var index ocispecs.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return ""
	}
	for _, annotation := range []string{layout.ImageNameAnnotation, ocispecs.AnnotationRefName} {
		for _, m := range index.Manifests {
			if m.Annotations[annotation] == tag {
				return m.Digest
			}
		}
	}
	return ""
}
