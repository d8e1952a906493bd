package solve

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/internal/fault"
)

// Cache is a parsed --cache-from or --cache-to. Its attributes may hold
// credentials; printing it shows them masked.
type Cache struct {
	// Type is registry, inline, local, gha, s3 or azblob.
	Type string
	// Attrs are BuildKit's attributes of the type, keys in lower case, and
	// platform-split.
	Attrs map[string]string
}

// cacheType is one row of the table of cache backends.
type cacheType struct {
	name string
	// imports and exports are the attributes that BuildKit reads in each
	// direction; nil when there is no such direction.
	imports, exports []string
	// importNeeds and exportNeeds are the attributes without which nothing
	// works, "" for none. What the builder may have in its environment is not
	// among them.
	importNeeds, exportNeeds string
	// part is the attribute that tells one cache of the backend from another,
	// and the one that is split by platform; "" when it cannot be.
	part string
	// partDefault is its value where BuildKit has a default.
	partDefault string
}

const (
	cacheRegistry = "registry"
	cacheInline   = "inline"
	cacheLocal    = "local"
	cacheGHA      = "gha"
	cacheS3       = "s3"
	cacheAzblob   = "azblob"
)

// attrPlatformSplit says whether a cache is divided by platform; it has the name
// that outputs have for the same.
const attrPlatformSplit = "platform-split"

// cacheTypes is every backend of BuildKit with its attributes; see its
// cache/remotecache, and client/solve.go for what the client reads of local.
func cacheTypes() []cacheType {
	always := []string{"mode", "ignore-error"}
	blobs := []string{"compression", "compression-level", "force-compression", "oci-mediatypes", "image-manifest"}
	gha := []string{"scope", "url", "url_v2", "token", "version", "timeout", "repository", "ghtoken"}
	s3 := []string{
		"bucket", "region", "prefix", "manifests_prefix", "blobs_prefix", "name", "touch_refresh", "endpoint_url",
		"access_key_id", "secret_access_key", "session_token", "use_path_style", "upload_parallelism",
		"disable_accept_encoding", "retry_mode", "retry_max_attempts",
	}
	azblob := []string{"account_url", "account_name", "container", "prefix", "manifests_prefix", "blobs_prefix", "name", "secret_access_key"}
	return []cacheType{
		{
			name: cacheRegistry, imports: []string{"ref", "registry.insecure"}, importNeeds: "ref",
			exports: slices.Concat([]string{"ref", "registry.insecure"}, always, blobs), exportNeeds: "ref", part: "ref",
		},
		{name: cacheInline, exports: always},
		{
			name: cacheLocal, imports: []string{"src", "digest", "tag"}, importNeeds: "src",
			exports: slices.Concat([]string{"dest", "tag", "reset"}, always, blobs), exportNeeds: "dest",
		},
		{name: cacheGHA, imports: gha, exports: slices.Concat(gha, always), part: "scope", partDefault: "buildkit"},
		{name: cacheS3, imports: s3, exports: slices.Concat(s3, always), part: "name", partDefault: "buildkit"},
		{name: cacheAzblob, imports: azblob, exports: slices.Concat(azblob, always), part: "name", partDefault: "buildkit"},
	}
}

func findCacheType(name string) (cacheType, bool) {
	for _, t := range cacheTypes() {
		if t.name == name {
			return t, true
		}
	}
	return cacheType{}, false
}

// direction is what tells --cache-from and --cache-to apart.
type direction struct {
	flag   string
	attrs  func(cacheType) []string
	needs  func(cacheType) string
	export bool
}

func importing() direction {
	return direction{
		flag:  "--cache-from",
		attrs: func(t cacheType) []string { return t.imports },
		needs: func(t cacheType) string { return t.importNeeds },
	}
}

func exporting() direction {
	return direction{
		flag: "--cache-to", export: true,
		attrs: func(t cacheType) []string { return t.exports },
		needs: func(t cacheType) string { return t.exportNeeds },
	}
}

// checkCacheAttr returns what is wrong with the value of an attribute.
func checkCacheAttr(key, value string) string {
	switch key {
	case "mode":
		return wantOneOf("min", "max")(value)
	case "ignore-error", "oci-mediatypes", "image-manifest", "registry.insecure", "reset",
		"use_path_style", "disable_accept_encoding", attrPlatformSplit:
		return wantBoolean(value)
	case "force-compression":
		if value == "" { // BuildKit takes the bare word for true
			return ""
		}
		return wantBoolean(value)
	case "compression":
		return wantOneOf("uncompressed", "gzip", "estargz", "zstd")(value)
	case "compression-level":
		return wantNumber(value)
	case "version":
		return wantOneOf("1", "2")(value)
	case "timeout", "touch_refresh":
		return wantDuration(value)
	case "upload_parallelism", "retry_max_attempts":
		return wantPositive(value)
	case "retry_mode":
		return wantOneOf("standard", "adaptive")(value)
	case "ref", "src", "dest", "bucket", "tag":
		return wantSome(value)
	case "digest":
		if _, err := digest.Parse(value); err != nil {
			return "is not a digest"
		}
		return ""
	default:
		return ""
	}
}

// ParseCacheFrom parses --cache-from: type=TYPE[,KEY=VALUE…] as CSV, or image
// references, several separated by commas. The error is a *fault.Usage and
// shows no credential.
func ParseCacheFrom(value string) ([]Cache, error) { return parseCaches(importing(), value) }

// ParseCacheTo parses --cache-to, like ParseCacheFrom.
func ParseCacheTo(value string) ([]Cache, error) { return parseCaches(exporting(), value) }

func parseCaches(d direction, value string) ([]Cache, error) {
	fail := func(problem, hint string) ([]Cache, error) {
		return nil, &fault.Usage{Flag: d.flag, Value: maskCacheValue(value), Problem: problem, Hint: hint}
	}
	if value == "" {
		return fail("is empty", "")
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return fail(fmt.Sprintf("is not valid CSV: %s", err), "")
	}
	var list []Cache
	if strings.Contains(value, "=") {
		c, problem := parseCacheFields(fields)
		if problem != "" {
			return fail(problem, "the form is IMAGE or type="+strings.Join(cacheTypeNames(d), "|")+",KEY=VALUE…")
		}
		list = append(list, c)
	} else {
		for _, ref := range fields {
			list = append(list, Cache{Type: cacheRegistry, Attrs: map[string]string{"ref": ref}})
		}
	}
	for _, c := range list {
		if problem, hint := c.check(d); problem != "" {
			return fail(problem, hint)
		}
	}
	return list, nil
}

// parseCacheFields parses fields of which at least one is key=value. A field
// that is not may be the rest of a credential with a comma, so messages give
// its number only.
func parseCacheFields(fields []string) (c Cache, problem string) {
	c.Attrs = map[string]string{}
	for i, field := range fields {
		key, v, ok := strings.Cut(field, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if !ok || key == "" {
			return c, fmt.Sprintf("field %d is not key=value", i+1)
		}
		if key == "type" {
			c.Type = v
		} else {
			c.Attrs[key] = v
		}
	}
	if c.Type == "" {
		return c, "the type is missing"
	}
	return c, ""
}

func cacheTypeNames(d direction) []string {
	var names []string
	for _, t := range cacheTypes() {
		if d.attrs(t) != nil {
			names = append(names, t.name)
		}
	}
	return names
}

// check finds what BuildKit would refuse or pass over. An attribute of the
// other direction is none of it: pipelines share one value between both flags,
// and Prepare warns.
func (c Cache) check(d direction) (problem, hint string) {
	kind, ok := findCacheType(c.Type)
	if !ok {
		return fmt.Sprintf("unknown type %q", c.Type), "there are " + strings.Join(cacheTypeNames(d), ", ")
	}
	known := d.attrs(kind)
	if known == nil {
		return fmt.Sprintf("type=%s cannot be read from", c.Type), "an inline cache is read from the image that holds it: type=registry,ref=IMAGE"
	}
	if kind.splits() {
		known = append(slices.Clone(known), attrPlatformSplit)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Attrs)) {
		if !slices.Contains(known, key) && !kind.has(key) {
			return fmt.Sprintf("type=%s has no attribute %q", c.Type, key), "it has " + strings.Join(known, ", ")
		}
		if wrong := checkCacheAttr(key, c.Attrs[key]); wrong != "" {
			return fmt.Sprintf("%s=%q %s", key, maskCacheAttr(key, c.Attrs[key]), wrong), ""
		}
	}
	if needed := d.needs(kind); needed != "" && c.Attrs[needed] == "" {
		return fmt.Sprintf("%s is missing", needed), fmt.Sprintf("add %s=…", needed)
	}
	if c.Type != cacheRegistry {
		return "", ""
	}
	named, err := reference.ParseNormalizedNamed(c.Attrs["ref"])
	if err != nil {
		return fmt.Sprintf("ref=%q is not an image: %s", redact(c.Attrs["ref"]), err), ""
	}
	if _, ok := named.(reference.Digested); ok && d.export {
		return "a cache cannot be written to a digest", "give a tag"
	}
	return "", ""
}

// has reports whether an attribute exists in either direction.
func (t cacheType) has(key string) bool {
	return slices.Contains(t.imports, key) || slices.Contains(t.exports, key)
}

// splits reports whether caches of the type can be divided by platform.
func (t cacheType) splits() bool { return t.part != "" || t.name == cacheLocal }
