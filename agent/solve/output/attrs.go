package output

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/slipway-build/slipway/internal/suggest"
)

// The attributes of BuildKit's exporters that have a meaning on the agent,
// too.
const (
	attrName              = "name"
	attrPush              = "push"
	attrPushByDigest      = "push-by-digest"
	attrUnpack            = "unpack"
	attrNameCanonical     = "name-canonical"
	attrCompression       = "compression"
	attrCompressionLevel  = "compression-level"
	attrOCIMediaTypes     = "oci-mediatypes"
	attrOCIArtifact       = "oci-artifact"
	attrRewriteTimestamp  = "rewrite-timestamp"
	attrTar               = "tar"
	attrPlatformSplit     = "platform-split"
	attrMode              = "mode"
	attrAttestationPrefix = "attestation-prefix"
	attrSource            = "src"
	attrSourceDateEpoch   = "source-date-epoch"
	attrDanglingPrefix    = "dangling-name-prefix"
	attrDanglingEmptyOnly = "dangling-name-empty-only"
)

// attribute is one key that an exporter knows.
type attribute struct {
	name string
	// check says what is wrong with a value, empty when nothing is.
	check func(value string) (problem, hint string)
}

// imageAttributes are what all exporters of images know.
var imageAttributes = []attribute{
	{attrName, names},
	{attrCompression, compressionName},
	{attrCompressionLevel, integer},
	{"force-compression", flag},
	{attrOCIMediaTypes, boolean},
	{attrOCIArtifact, boolean},
	{"prefer-nondist-layers", boolean},
	{attrRewriteTimestamp, boolean},
	{attrSourceDateEpoch, seconds},
	{"attestation-inline", boolean},
	// BuildKit has no use for these any more and takes no offence either.
	{"buildinfo", anything},
	{"buildinfo-attrs", anything},
}

// pushAttributes are what type=image knows besides.
var pushAttributes = []attribute{
	{attrPush, flag},
	{attrPushByDigest, flag},
	{"registry.insecure", flag},
	{"store", flag},
	{attrUnpack, flag},
	{attrNameCanonical, flag},
	{attrDanglingPrefix, anything},
	{attrDanglingEmptyOnly, flag},
	{string(exptypes.OptKeyDanglingEmptyOnly), flag},
}

// archiveAttributes are what type=oci and type=docker know besides.
var archiveAttributes = []attribute{{attrTar, flag}}

// fileAttributes are what type=local and type=tar know.
var fileAttributes = []attribute{
	{attrPlatformSplit, boolean},
	{attrMode, mode},
	{attrSourceDateEpoch, seconds},
	{attrAttestationPrefix, anything},
	{attrSource, sourceDir},
}

// checkAttrs finds attributes whose values an exporter would not take. Those that it
// does not know BuildKit ignores: see ignoredAttrs.
func checkAttrs(o Output, lists ...[]attribute) (problem, hint string) {
	known := slices.Concat(lists...)
	for _, key := range slices.Sorted(maps.Keys(o.Attrs)) {
		i := slices.IndexFunc(known, func(a attribute) bool { return a.name == key })
		if i < 0 {
			kind, _ := findOutputType(o.Type)
			if problem, ok := checkAnnotationKey(key); kind.image && ok {
				if problem != "" {
					return problem, ""
				}
				continue
			}
			continue
		}
		if problem, hint := known[i].check(o.Attrs[key]); problem != "" {
			return fmt.Sprintf("%s=%q %s", key, o.Attrs[key], problem), hint
		}
	}
	return "", ""
}

// ignoredAttrs are warnings about attributes that the exporter does not know and
// BuildKit ignores, as docker buildx does without a word.
func ignoredAttrs(o Output, kind outputType) (warnings []string) {
	known := slices.Concat(kind.attributes...)
	for _, key := range slices.Sorted(maps.Keys(o.Attrs)) {
		if slices.ContainsFunc(known, func(a attribute) bool { return a.name == key }) {
			continue
		}
		if problem, ok := checkAnnotationKey(key); kind.image && (ok || problem != "") {
			continue
		}
		hint := "it has " + attributeNames(known, kind.image)
		var names []string
		for _, a := range known {
			names = append(names, a.name)
		}
		if near := suggest.Nearest(key, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		warnings = append(warnings, fmt.Sprintf("--output %s: BuildKit ignores %q, which is no attribute of this type; %s", o, key, hint))
	}
	return warnings
}

// checkAnnotationKey reports whether key is an annotation's and what is wrong
// with it.
func checkAnnotationKey(key string) (problem string, ok bool) {
	_, ok, err := exptypes.ParseAnnotationKey(key)
	if err != nil {
		return fmt.Sprintf("%s: %s", key, err), true
	}
	return "", ok
}

func attributeNames(known []attribute, image bool) string {
	names := []string{"dest"}
	for _, a := range known {
		if a.name != string(exptypes.OptKeyDanglingEmptyOnly) {
			names = append(names, a.name)
		}
	}
	if image {
		names = append(names, "annotation[-LEVEL][[PLATFORM]].KEY")
	}
	return listed(names)
}

// listed is "a, b and c".
func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func anything(string) (problem, hint string) { return "", "" }

// boolean is an attribute whose empty value is an error in BuildKit.
func boolean(value string) (problem, hint string) {
	if _, err := strconv.ParseBool(value); err != nil {
		return "is neither true nor false", ""
	}
	return "", ""
}

// flag is an attribute whose empty value means true in BuildKit.
func flag(value string) (problem, hint string) {
	if value == "" {
		return "", ""
	}
	return boolean(value)
}

func integer(value string) (problem, hint string) {
	if _, err := strconv.Atoi(value); err != nil {
		return "is not a number", ""
	}
	return "", ""
}

// seconds is a time as SOURCE_DATE_EPOCH has it; empty takes none.
func seconds(value string) (problem, hint string) {
	if _, err := strconv.ParseInt(value, 10, 64); value != "" && err != nil {
		return "is not a number of seconds", ""
	}
	return "", ""
}

// sourceDir is the directory of the result that is taken as the whole of it.
func sourceDir(value string) (problem, hint string) {
	if value == "" {
		return "is empty", "leave it out for all files of the result"
	}
	return "", ""
}

func mode(value string) (problem, hint string) {
	if _, err := client.ParseLocalExporterMode(value); err != nil {
		return "is unknown", "there are mode=copy and mode=delete"
	}
	return "", ""
}

// compressions are the layer compressions BuildKit knows, with the highest
// level of each; those that can be used with OCI media types only say so.
var compressions = map[string]struct {
	level   int
	ociOnly bool
}{
	"uncompressed": {level: 0},
	"gzip":         {level: 9},
	"estargz":      {level: 9, ociOnly: true},
	"zstd":         {level: 22, ociOnly: true},
}

func compressionName(value string) (problem, hint string) {
	if _, ok := compressions[value]; !ok {
		return "is unknown", "there are " + listed(slices.Sorted(maps.Keys(compressions)))
	}
	return "", ""
}

// anyName is the name that stands for the one the frontend gives.
const anyName = "*"

func names(value string) (problem, hint string) {
	if value == anyName || value == "" {
		return "", ""
	}
	for name := range strings.SplitSeq(value, ",") {
		if _, err := reference.ParseNormalizedNamed(name); err != nil {
			return fmt.Sprintf("holds %q, which is no image reference: %s", name, err), ""
		}
	}
	return "", ""
}

// checkImageAttrs finds attributes of an image that contradict each other.
func checkImageAttrs(o Output) (problem, hint string) {
	compression := compressions[o.Attrs[attrCompression]]
	if value, ok := o.Attrs[attrCompressionLevel]; ok {
		name := cmp.Or(o.Attrs[attrCompression], "gzip")
		level, _ := strconv.Atoi(value)
		if highest := compressions[name].level; name != "uncompressed" && (level < 0 || level > highest) {
			return fmt.Sprintf("%s=%s is not between 0 and %d, the levels of %s", attrCompressionLevel, value, highest, name), ""
		}
	}
	switch {
	case isFalse(o.Attrs[attrOCIMediaTypes]) && compression.ociOnly:
		return fmt.Sprintf("%s=%s needs OCI media types", attrCompression, o.Attrs[attrCompression]), "leave " + attrOCIMediaTypes + "=false out"
	case isFalse(o.Attrs[attrOCIMediaTypes]) && isTrue(o.Attrs, attrOCIArtifact):
		return attrOCIArtifact + "=true needs OCI media types", "leave " + attrOCIMediaTypes + "=false out"
	case isTrue(o.Attrs, attrRewriteTimestamp) && isTrue(o.Attrs, attrUnpack):
		return fmt.Sprintf("%s=true and %s=true cannot be used together", attrRewriteTimestamp, attrUnpack), ""
	}
	return "", ""
}

// isTrue reports whether a flag is given and not false.
func isTrue(attrs map[string]string, key string) bool {
	value, ok := attrs[key]
	if !ok {
		return false
	}
	on, err := strconv.ParseBool(value)
	return value == "" || err == nil && on
}

// isFalse reports whether a value says false.
func isFalse(value string) bool {
	on, err := strconv.ParseBool(value)
	return err == nil && !on
}
