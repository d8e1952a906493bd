package policy

import (
	"maps"
	"slices"
	"strings"
)

// attributes are names of attributes that are passed on, and starts of names.
type attributes struct{ names, prefixes []string }

func (a attributes) has(name string) bool {
	return slices.Contains(a.names, name) || slices.ContainsFunc(a.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

func (a attributes) and(names ...string) attributes {
	return attributes{names: slices.Concat(a.names, names), prefixes: a.prefixes}
}

// Attributes of frontends that are read here.
const (
	attrSource       = "source"
	attrCmdline      = "cmdline"
	attrSyntax       = "build-arg:BUILDKIT_SYNTAX"
	attrCacheNS      = "build-arg:BUILDKIT_CACHE_MOUNT_NS"
	attrNetwork      = "force-network-mode"
	attrCacheFrom    = "cache-from"
	attrCacheImports = "cache-imports"
	prefixBuildArg   = "build-arg:"
	prefixContext    = "context:"
	prefixSessionID  = "local-sessionid:"
)

// frontendAttributes are those of the Dockerfile frontend and of the gateway
// (https://github.com/moby/buildkit/blob/v0.34.2/frontend/dockerui/config.go). Those that
// a job has no business with are missing, such as cgroup-parent.
var frontendAttributes = attributes{
	names: []string{
		attrSource, attrCmdline, attrNetwork, attrCacheFrom, attrCacheImports,
		"add-hosts", "context", "contextkey", "contextsubdir", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems", "cpushares",
		"dockerfilekey", "filename", "frontend.caps", "hostname", "image-resolve-mode", "memory", "memswap", "multi-platform",
		"no-cache", "platform", "requestid", "shm-size", "target", "ulimit",
	},
	prefixes: []string{prefixBuildArg, prefixContext, prefixSessionID, "attest:", "input-metadata:", "input:", "label:", "sharedkey:localdir:", "vcs:"},
}

// Attributes of exporters that are read here.
const (
	attrName           = "name"
	attrDanglingPrefix = "dangling-name-prefix"
	attrInsecure       = "registry.insecure"
)

// The types of exporters.
const (
	exporterImage  = "image"
	exporterOCI    = "oci"
	exporterDocker = "docker"
	exporterLocal  = "local"
	exporterTar    = "tar"
)

// imageAttributes are those of all exporters that make an image
// (https://github.com/moby/buildkit/blob/v0.34.2/exporter/containerimage/exptypes/keys.go).
var imageAttributes = attributes{
	names: []string{
		attrName, "attestation-inline", "buildinfo", "buildinfo-attrs", "compression", "compression-level", "force-compression",
		"name-canonical", "oci-artifact", "oci-mediatypes", "prefer-nondist-layers", "rewrite-timestamp", "source-date-epoch",
		attrDanglingPrefix, "dangling-name-empty-only", "danging-name-empty-only",
	},
	prefixes: []string{"annotation.", "annotation[", "annotation-manifest.", "annotation-manifest[", "annotation-index.", "annotation-manifest-descriptor.", "annotation-manifest-descriptor[", "annotation-index-descriptor."},
}

var fileAttributes = attributes{names: []string{"attestation-prefix", "mode", "platform-split", "source-date-epoch", "src"}}

// exporterAttributes are those of each exporter.
var exporterAttributes = map[string]attributes{
	exporterImage:  imageAttributes.and("push", "push-by-digest", "store", "unpack", attrInsecure),
	exporterOCI:    imageAttributes.and("tar"),
	exporterDocker: imageAttributes.and("tar"),
	exporterLocal:  fileAttributes,
	exporterTar:    fileAttributes,
}

func exporterTypes() []string { return slices.Sorted(maps.Keys(exporterAttributes)) }

// cacheCommon are attributes of all caches that are written.
var cacheCommon = attributes{names: []string{"compression", "compression-level", "force-compression", "ignore-error", "mode"}}

// cacheRegistry is the type of a cache in a registry, whose image is its attribute ref.
const (
	cacheRegistry = "registry"
	attrRef       = "ref"
)

// cacheAttributes are those of each type of cache
// (https://github.com/moby/buildkit/tree/v0.34.2/cache/remotecache).
var cacheAttributes = map[string]attributes{
	cacheRegistry: cacheCommon.and(attrRef, attrInsecure, "image-manifest", "oci-artifact", "oci-mediatypes"),
	"inline":      cacheCommon,
	"local":       cacheCommon.and("dest", "digest", "image-manifest", "oci-mediatypes", "src", "tag"),
	"gha":         cacheCommon.and("ghtoken", "repository", "scope", "timeout", "token", "url", "url_v2", "version"),
	"s3": cacheCommon.and("access_key_id", "blobs_prefix", "bucket", "disable_accept_encoding", "endpoint_url", "manifests_prefix", "name", "prefix", "region",
		"retry_max_attempts", "retry_mode", "secret_access_key", "session_token", "touch_refresh", "upload_parallelism", "use_path_style"),
	"azblob": cacheCommon.and("account_name", "account_url", "blobs_prefix", "container", "manifests_prefix", "name", "prefix", "secret_access_key"),
}
