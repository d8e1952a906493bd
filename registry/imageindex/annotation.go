package imageindex

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/ociplatform"
)

// Level is the part of an image that an annotation belongs to.
type Level string

// The levels that --annotation knows. BuildKit takes LevelAny for the
// manifest.
const (
	LevelAny                Level = ""
	LevelManifest           Level = "manifest"
	LevelManifestDescriptor Level = "manifest-descriptor"
	LevelIndex              Level = "index"
	LevelIndexDescriptor    Level = "index-descriptor"
)

// levels are those that can be written, in the order in which errors list
// them.
var levels = []Level{LevelManifest, LevelManifestDescriptor, LevelIndex, LevelIndexDescriptor}

// Annotation is one key and value at one place.
type Annotation struct {
	Level Level
	// Platform restricts the levels of manifests to one platform; nil is all.
	Platform   *ocispecs.Platform
	Key, Value string
}

// ExporterKey is the attribute of BuildKit's image exporter that makes the
// annotation, for example annotation-manifest[linux/amd64].KEY.
func (a Annotation) ExporterKey() string {
	key := "annotation"
	if a.Level != LevelAny {
		key += "-" + string(a.Level)
	}
	if a.Platform != nil && a.Level.perPlatform() {
		key += "[" + platforms.FormatAll(*a.Platform) + "]"
	}
	return key + "." + a.Key
}

// String is the annotation as --annotation has it, without the value.
func (a Annotation) String() string {
	if a.Level == LevelAny {
		return a.Key
	}
	level := string(a.Level)
	if a.Platform != nil {
		level += "[" + platforms.FormatAll(*a.Platform) + "]"
	}
	return level + ":" + a.Key
}

// perPlatform reports whether an image has the level once per platform.
func (l Level) perPlatform() bool {
	return l == LevelManifest || l == LevelManifestDescriptor
}

// annotationLevel is a level and the platform that may follow it in brackets.
var annotationLevel = regexp.MustCompile(`^([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?$`)

// ParseAnnotation parses a value of --annotation,
// [LEVEL[[PLATFORM]],…:]KEY=VALUE. One value makes an annotation for each
// level it names. The error is a *fault.Usage.
func ParseAnnotation(value string) ([]Annotation, error) {
	name, text, ok := strings.Cut(value, "=")
	if !ok {
		return nil, annotationError(value, "has no =")
	}
	list, key, ok := strings.Cut(name, ":")
	if !ok {
		list, key = "", name
	}
	if key == "" {
		return nil, annotationError(value, "the key is empty")
	}
	if strings.ContainsFunc(key, unicode.IsSpace) {
		// BuildKit does not recognize such a key and would drop it.
		return nil, annotationError(value, "the key holds white space")
	}
	if !ok {
		return []Annotation{{Key: key, Value: text}}, nil
	}
	var all []Annotation
	for part := range strings.SplitSeq(list, ",") {
		a, problem := parseLevel(part)
		if problem != "" {
			return nil, annotationError(value, problem)
		}
		a.Key, a.Value = key, text
		all = append(all, a)
	}
	return all, nil
}

// parseLevel parses LEVEL or LEVEL[PLATFORM]; problem is empty on success.
func parseLevel(part string) (a Annotation, problem string) {
	groups := annotationLevel.FindStringSubmatch(part)
	if groups == nil {
		return a, fmt.Sprintf("%q is not a level with an optional platform in brackets", part)
	}
	for _, level := range levels {
		if groups[1] == string(level) {
			a.Level = level
		}
	}
	if a.Level == LevelAny {
		return a, fmt.Sprintf("unknown level %q, known are %s", groups[1], knownLevels())
	}
	if groups[2] == "" {
		return a, ""
	}
	if _, problem, hint := ociplatform.Parse(groups[2]); problem != "" {
		if hint != "" {
			problem += "; " + hint
		}
		return a, fmt.Sprintf("invalid platform %q: %s", groups[2], problem)
	}
	of, err := platforms.Parse(groups[2]) // as it is written: BuildKit compares it so
	if err != nil {
		return a, fmt.Sprintf("invalid platform %q", groups[2])
	}
	// An image has one index, whatever the platform: docker buildx takes the
	// platform there and drops it.
	if a.Level.perPlatform() {
		a.Platform = &of
	}
	return a, ""
}

func knownLevels() string {
	names := make([]string, len(levels))
	for i, level := range levels {
		names[i] = string(level)
	}
	return strings.Join(names, ", ")
}

func annotationError(value, problem string) *fault.Usage {
	return &fault.Usage{
		Flag: "--annotation", Value: value, Problem: problem,
		Hint: "the form is [LEVEL[[PLATFORM]],…:]KEY=VALUE, for example index:org.opencontainers.image.title=app",
	}
}
