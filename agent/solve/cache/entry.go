package cache

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/agent/solve/attr"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/suggest"
)

// Entry is a parsed --cache-from or --cache-to. Its attributes may hold
// credentials; printing it shows them masked.
type Entry struct {
	// Type is registry, inline, local, gha, s3 or azblob.
	Type string
	// Attrs are BuildKit's attributes of the type, keys in lower case, and
	// platform-split.
	Attrs map[string]string
}

// backend is one row of the table of cache backends.
type backend struct {
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

// The types of caches.
const (
	TypeRegistry = "registry"
	TypeInline   = "inline"
	TypeLocal    = "local"
	TypeGHA      = "gha"
	TypeS3       = "s3"
	TypeAzblob   = "azblob"
)

// attrPlatformSplit is the agent's own attribute: whether a cache is divided by
// platform.
const attrPlatformSplit = "platform-split"

// backends is every backend of BuildKit with its attributes; see its
// cache/remotecache, and client/solve.go for what the client reads of local.
func backends() []backend {
	always := []string{"mode", "ignore-error"}
	blobs := []string{"compression", "compression-level", "force-compression", "oci-mediatypes", "image-manifest"}
	gha := []string{"scope", "url", "url_v2", "token", "version", "timeout", "repository", "ghtoken"}
	s3 := []string{
		"bucket", "region", "prefix", "manifests_prefix", "blobs_prefix", "name", "touch_refresh", "endpoint_url",
		"access_key_id", "secret_access_key", "session_token", "use_path_style", "upload_parallelism",
		"disable_accept_encoding", "retry_mode", "retry_max_attempts",
	}
	azblob := []string{"account_url", "account_name", "container", "prefix", "manifests_prefix", "blobs_prefix", "name", "secret_access_key"}
	return []backend{
		{
			name: TypeRegistry, imports: []string{"ref", "registry.insecure"}, importNeeds: "ref",
			exports: slices.Concat([]string{"ref", "registry.insecure"}, always, blobs), exportNeeds: "ref", part: "ref",
		},
		{name: TypeInline, exports: always},
		{
			name: TypeLocal, imports: []string{"src", "digest", "tag"}, importNeeds: "src",
			exports: slices.Concat([]string{"dest", "tag", "reset"}, always, blobs), exportNeeds: "dest",
		},
		{name: TypeGHA, imports: gha, exports: slices.Concat(gha, always), part: "scope", partDefault: "buildkit"},
		{name: TypeS3, imports: s3, exports: slices.Concat(s3, always), part: "name", partDefault: "buildkit"},
		{name: TypeAzblob, imports: azblob, exports: slices.Concat(azblob, always), part: "name", partDefault: "buildkit"},
	}
}

func findBackend(name string) (backend, bool) {
	for _, t := range backends() {
		if t.name == name {
			return t, true
		}
	}
	return backend{}, false
}

// direction is what tells --cache-from and --cache-to apart.
type direction struct {
	flag   string
	attrs  func(backend) []string
	needs  func(backend) string
	export bool
}

func importing() direction {
	return direction{
		flag:  "--cache-from",
		attrs: func(t backend) []string { return t.imports },
		needs: func(t backend) string { return t.importNeeds },
	}
}

func exporting() direction {
	return direction{
		flag: "--cache-to", export: true,
		attrs: func(t backend) []string { return t.exports },
		needs: func(t backend) string { return t.exportNeeds },
	}
}

// checkAttr returns what is wrong with the value of an attribute.
func checkAttr(key, value string) string {
	switch key {
	case "mode":
		return attr.OneOf("min", "max")(value)
	case "ignore-error", "oci-mediatypes", "image-manifest", "registry.insecure", "reset",
		"use_path_style", "disable_accept_encoding", attrPlatformSplit:
		return attr.Boolean(value)
	case "force-compression":
		if value == "" { // BuildKit takes the bare word for true
			return ""
		}
		return attr.Boolean(value)
	case "compression":
		return attr.OneOf("uncompressed", "gzip", "estargz", "zstd")(value)
	case "compression-level":
		return attr.Number(value)
	case "version":
		return attr.OneOf("1", "2")(value)
	case "timeout", "touch_refresh":
		return attr.Duration(value)
	case "upload_parallelism", "retry_max_attempts":
		return attr.Positive(value)
	case "retry_mode":
		return attr.OneOf("standard", "adaptive")(value)
	case "ref", "src", "dest", "bucket", "tag":
		return attr.NotEmpty(value)
	case "digest":
		if _, err := digest.Parse(value); err != nil {
			return "is not a digest"
		}
		return ""
	default:
		return ""
	}
}

// ParseFrom parses --cache-from: type=TYPE[,KEY=VALUE…] as CSV, or image
// references, several separated by commas. The error is a *fault.Usage and
// shows no credential.
func ParseFrom(value string) ([]Entry, error) { return parse(importing(), value) }

// ParseTo parses --cache-to, like ParseFrom.
func ParseTo(value string) ([]Entry, error) { return parse(exporting(), value) }

func parse(d direction, value string) ([]Entry, error) {
	fail := func(problem, hint string) ([]Entry, error) {
		return nil, &fault.Usage{Flag: d.flag, Value: maskValue(value), Problem: problem, Hint: hint}
	}
	if value == "" {
		return fail("is empty", "")
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return fail(fmt.Sprintf("is not valid CSV: %s", err), "")
	}
	var list []Entry
	if strings.Contains(value, "=") {
		c, problem := parseFields(fields)
		if problem != "" {
			return fail(problem, "the form is IMAGE or type="+strings.Join(typeNames(d), "|")+",KEY=VALUE…")
		}
		list = append(list, c)
	} else {
		for _, ref := range fields {
			list = append(list, Entry{Type: TypeRegistry, Attrs: map[string]string{"ref": ref}})
		}
	}
	for _, c := range list {
		if problem, hint := c.check(d); problem != "" {
			return fail(problem, hint)
		}
	}
	return list, nil
}

// parseFields parses fields of which at least one is key=value. A field
// that is not may be the rest of a credential with a comma, so messages give
// its number only.
func parseFields(fields []string) (c Entry, problem string) {
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

func typeNames(d direction) []string {
	var names []string
	for _, t := range backends() {
		if d.attrs(t) != nil {
			names = append(names, t.name)
		}
	}
	return names
}

// check finds what BuildKit would refuse. An attribute that the type does not have,
// or only in the other direction, BuildKit passes over: Resolve warns.
func (c Entry) check(d direction) (problem, hint string) {
	kind, ok := findBackend(c.Type)
	if !ok {
		return fmt.Sprintf("unknown type %q", c.Type), "there are " + strings.Join(typeNames(d), ", ")
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
			// A credential that is misspelt would be missed later, and far from here.
			if near := suggest.Nearest(key, known); slices.Contains(credentials, near) {
				return fmt.Sprintf("type=%s has no attribute %q", c.Type, key), fmt.Sprintf("did you mean %q?", near)
			}
			continue
		}
		if wrong := checkAttr(key, c.Attrs[key]); wrong != "" {
			return fmt.Sprintf("%s=%q %s", key, maskAttr(key, c.Attrs[key]), wrong), ""
		}
	}
	if needed := d.needs(kind); needed != "" && c.Attrs[needed] == "" {
		return fmt.Sprintf("%s is missing", needed), fmt.Sprintf("add %s=…", needed)
	}
	if c.Type != TypeRegistry {
		return "", ""
	}
	named, err := reference.ParseNormalizedNamed(c.Attrs["ref"])
	if err != nil {
		return fmt.Sprintf("ref=%q is not an image: %s", sanitize.RedactURLs(c.Attrs["ref"]), err), ""
	}
	if _, ok := named.(reference.Digested); ok && d.export {
		return "a cache cannot be written to a digest", "give a tag"
	}
	return "", ""
}

// has reports whether an attribute exists in either direction.
func (t backend) has(key string) bool {
	return slices.Contains(t.imports, key) || slices.Contains(t.exports, key)
}

// splits reports whether caches of the type can be divided by platform.
func (t backend) splits() bool { return t.part != "" || t.name == TypeLocal }
