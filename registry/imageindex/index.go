package imageindex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Manifest is an image manifest or image index as a registry has it.
type Manifest struct {
	// Descriptor is how it is referred to; Platform may be nil.
	Descriptor ocispecs.Descriptor
	// Content is its exact bytes, whose digest the descriptor holds.
	Content []byte
}

// Media types of Docker's own formats. Schema 1 had two.
const (
	MediaTypeDockerManifest      = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList          = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeDockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	mediaTypeDockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	dockerPrefix                 = "application/vnd.docker."
)

// MediaTypeArtifact is a manifest type that the specification has given up.
const MediaTypeArtifact = "application/vnd.oci.artifact.manifest.v1+json"

// Annotations by which a manifest of an index says that it describes another
// one: BuildKit's attestations.
const (
	annotationReferenceType   = "vnd.docker.reference.type"
	annotationReferenceDigest = "vnd.docker.reference.digest"
)

// IsIndex reports whether the manifest is an index or a manifest list.
func (m Manifest) IsIndex() bool { return isIndex(m.Descriptor.MediaType) }

// Verify fails when the content is not what the descriptor says.
func (m Manifest) Verify() error {
	if got := digest.FromBytes(m.Content); got != m.Descriptor.Digest {
		return fmt.Errorf("the content has digest %s, not %s", got, m.Descriptor.Digest)
	}
	return nil
}

// Platforms are the images of an index by platform ("linux/arm64/v8" is
// "linux/arm64"), without attestations; nil when the manifest is no index.
func (m Manifest) Platforms() map[string]ocispecs.Descriptor {
	var index ocispecs.Index
	if !m.IsIndex() || json.Unmarshal(m.Content, &index) != nil {
		return nil
	}
	all := make(map[string]ocispecs.Descriptor, len(index.Manifests))
	for _, d := range index.Manifests {
		if d.Platform != nil && !IsAttestation(d) {
			all[platforms.Format(platforms.Normalize(*d.Platform))] = d
		}
	}
	return all
}

// IsManifest reports whether content of the type is at /manifests/ and not at
// /blobs/.
func IsManifest(mediaType string) bool {
	switch mediaType {
	case MediaTypeArtifact, mediaTypeDockerSchema1, mediaTypeDockerSchema1Signed:
		return true
	}
	return IsImage(mediaType) || isIndex(mediaType)
}

func isIndex(mediaType string) bool {
	return mediaType == ocispecs.MediaTypeImageIndex || mediaType == MediaTypeDockerList
}

// IsImage reports whether content of the type is the manifest of one image.
func IsImage(mediaType string) bool {
	return mediaType == ocispecs.MediaTypeImageManifest || mediaType == MediaTypeDockerManifest
}

// Describes is the digest of the manifest that an attestation of an index is
// about; empty for other manifests.
func Describes(d ocispecs.Descriptor) string { return d.Annotations[annotationReferenceDigest] }

// IsAttestation reports whether a manifest of an index describes another
// manifest and is no image that could run.
func IsAttestation(d ocispecs.Descriptor) bool {
	if d.Annotations[annotationReferenceType] != "" {
		return true
	}
	return d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

// AssembleError says why manifests cannot become one index.
type AssembleError struct {
	// Problem says what is wrong and with which manifest.
	Problem string
	// Hint says what to do; may be empty.
	Hint string
}

// Error implements error.
func (e *AssembleError) Error() string { return "make an image index: " + e.Problem }

// Hints says what to do about the error.
func (e *AssembleError) Hints() []string {
	if e.Hint == "" {
		return nil
	}
	return []string{e.Hint}
}

// Assemble combines image manifests and indexes into one index, byte for byte
// the one that docker buildx makes of the same sources in the same order.
//
// The manifests of an index take its place; an index inside an index stays as
// it is. What is there twice appears once, with the later platform and the
// annotations of both. A source that is an image manifest must have its
// platform in the descriptor. The annotations of the sources' indexes
// themselves are not taken over. Sources of Docker's types alone make a
// manifest list, anything else an OCI index. A single index without
// annotations is returned as it is.
//
// Annotations for manifest descriptors go to images and not, as docker buildx
// has it, to their attestations too. The error is an *AssembleError.
func Assemble(sources []Manifest, annotations []Annotation) (Manifest, error) {
	if len(sources) == 0 {
		return Manifest{}, &AssembleError{Problem: "there is no source"}
	}
	for _, a := range annotations {
		if err := assemblable(a); err != nil {
			return Manifest{}, err
		}
	}
	if len(sources) == 1 && sources[0].IsIndex() && len(annotations) == 0 {
		return sources[0], nil
	}
	var all descriptors
	for i, source := range sources {
		list, err := Members(source)
		if err != nil {
			return Manifest{}, err
		}
		for _, d := range list {
			if err := all.add(d, i); err != nil {
				return Manifest{}, err
			}
		}
	}
	index := ocispecs.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: indexType(all.list),
		Manifests: all.list,
	}
	if err := annotate(&index, annotations); err != nil {
		return Manifest{}, err
	}
	return encodeIndex(index, index.MediaType)
}

// assemblable says whether an index alone can hold the annotation.
func assemblable(a Annotation) error {
	switch a.Level {
	case LevelIndex, LevelManifestDescriptor:
		return nil
	case LevelIndexDescriptor:
		return &AssembleError{
			Problem: fmt.Sprintf("annotation %s: no descriptor refers to an index in a registry", a),
			Hint:    "write index:" + a.Key + "=… to annotate the index itself",
		}
	default:
		return &AssembleError{
			Problem: fmt.Sprintf("annotation %s: a manifest that is built already cannot be annotated, its digest would change", a),
			Hint:    fmt.Sprintf("write index:%s=… or manifest-descriptor:%s=…, or annotate when building", a.Key, a.Key),
		}
	}
}

// Members are the descriptors that a source brings into an index.
func Members(source Manifest) ([]ocispecs.Descriptor, error) {
	d := source.Descriptor
	switch d.MediaType {
	case mediaTypeDockerSchema1, mediaTypeDockerSchema1Signed:
		return nil, &AssembleError{
			Problem: fmt.Sprintf("%s is a schema 1 manifest, which an index cannot hold", d.Digest),
			Hint:    "push the image again with a current builder",
		}
	case ocispecs.MediaTypeImageIndex, MediaTypeDockerList:
		index, err := Decode(source)
		return index.Manifests, err
	}
	if IsImage(d.MediaType) && d.Platform == nil && !IsAttestation(d) && !isArtifact(source) {
		return nil, &AssembleError{Problem: fmt.Sprintf("the platform of manifest %s is not known", d.Digest)}
	}
	return []ocispecs.Descriptor{d}, nil
}

// mediaTypeDockerConfig is the configuration of an image of Docker's types.
const mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"

// isArtifact reports whether a manifest is none of an image, and has no platform
// for that reason: an attestation, a signature, a chart.
func isArtifact(m Manifest) bool {
	var manifest ocispecs.Manifest
	if json.Unmarshal(m.Content, &manifest) != nil {
		return false
	}
	config := manifest.Config.MediaType
	return manifest.ArtifactType != "" || config != "" && config != ocispecs.MediaTypeImageConfig && config != mediaTypeDockerConfig
}

// WithPlatforms is an index whose images have the platforms of a map where that
// has them.
func WithPlatforms(m Manifest, known map[digest.Digest]ocispecs.Platform) (Manifest, error) {
	index, err := Decode(m)
	if err != nil {
		return m, err
	}
	for i, d := range index.Manifests {
		if p, ok := known[d.Digest]; ok {
			index.Manifests[i].Platform = &p
		}
	}
	return encodeIndex(index, m.Descriptor.MediaType)
}

// Attest adds the descriptors of attestations to the end of an index.
func Attest(m Manifest, attestations []ocispecs.Descriptor) (Manifest, error) {
	if len(attestations) == 0 {
		return m, nil
	}
	index, err := Decode(m)
	if err != nil {
		return m, err
	}
	index.Manifests = append(index.Manifests, attestations...)
	return encodeIndex(index, m.Descriptor.MediaType)
}

// AttestationOf is the descriptor of an attestation in an index, made of one
// that a registry lists as referring to the image.
func AttestationOf(image digest.Digest, listed ocispecs.Descriptor) ocispecs.Descriptor {
	listed.Platform = &ocispecs.Platform{OS: "unknown", Architecture: "unknown"}
	listed.ArtifactType = ""
	listed.Annotations = maps.Clone(listed.Annotations)
	if listed.Annotations == nil {
		listed.Annotations = map[string]string{}
	}
	listed.Annotations[annotationReferenceType] = "attestation-manifest"
	listed.Annotations[annotationReferenceDigest] = image.String()
	return listed
}

// descriptors are the manifests of an index in the order in which they came.
type descriptors struct {
	list  []ocispecs.Descriptor
	known map[digest.Digest]int // index in list
	first map[string]origin     // by platform
}

// origin is where the image for a platform came from.
type origin struct {
	source int
	digest digest.Digest
}

func (all *descriptors) add(d ocispecs.Descriptor, source int) error {
	if all.known == nil {
		all.known, all.first = map[digest.Digest]int{}, map[string]origin{}
	}
	if i, ok := all.known[d.Digest]; ok {
		all.list[i] = merge(all.list[i], d)
		return nil
	}
	if platform := PlatformKey(d); platform != "" {
		// Within one source several images for a platform are its author's
		// choice (compression, OS version); between sources they are a mistake,
		// for which of them is pulled would depend on their order.
		if other, taken := all.first[platform]; taken && other.source != source {
			return &AssembleError{
				Problem: fmt.Sprintf("two sources hold different images for %s: %s and %s", platform, other.digest, d.Digest),
				Hint:    "leave one out, or select platforms with --platform",
			}
		} else if !taken {
			all.first[platform] = origin{source, d.Digest}
		}
	}
	d.Annotations = maps.Clone(d.Annotations) // the source keeps its own
	all.known[d.Digest] = len(all.list)
	all.list = append(all.list, d)
	return nil
}

// merge completes a descriptor by another one of the same manifest.
func merge(d, again ocispecs.Descriptor) ocispecs.Descriptor {
	d.MediaType = cmp.Or(d.MediaType, again.MediaType)
	d.Platform = cmp.Or(again.Platform, d.Platform)
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	maps.Copy(d.Annotations, again.Annotations)
	return d
}

// annotationZstd marks the image of a platform whose layers are compressed with
// zstd, beside one with gzip: https://github.com/containers/image/blob/main/internal/manifest/oci_index.go.
const annotationZstd = "io.github.containers.compression.zstd"

// PlatformKey is the platform that an image serves, to the last detail by which
// clients choose one of several; empty for what is no image.
func PlatformKey(d ocispecs.Descriptor) string {
	if d.Platform == nil || IsAttestation(d) {
		return ""
	}
	key := platforms.FormatAll(platforms.Normalize(*d.Platform))
	if features := d.Platform.OSFeatures; len(features) > 0 {
		key += " with " + strings.Join(features, ", ")
	}
	if d.Annotations[annotationZstd] != "" {
		key += " (zstd)"
	}
	return key
}

func indexType(list []ocispecs.Descriptor) string {
	for _, d := range list {
		if !strings.HasPrefix(d.MediaType, dockerPrefix) {
			return ocispecs.MediaTypeImageIndex
		}
	}
	return MediaTypeDockerList
}

// annotate writes annotations into an index. None is dropped: one that has no
// place is an error.
func annotate(index *ocispecs.Index, annotations []Annotation) error {
	if len(annotations) > 0 && index.MediaType != ocispecs.MediaTypeImageIndex {
		return &AssembleError{
			Problem: fmt.Sprintf("annotation %s: all manifests are of Docker's types, and Docker's manifest list has no annotations", annotations[0]),
			Hint:    "build the images with oci-mediatypes=true",
		}
	}
	for _, a := range annotations {
		if a.Level == LevelIndex {
			if index.Annotations == nil {
				index.Annotations = map[string]string{}
			}
			index.Annotations[a.Key] = a.Value
			continue
		}
		placed := false
		for i := range index.Manifests {
			d := &index.Manifests[i]
			if IsAttestation(*d) || !concerns(a.Platform, d.Platform) {
				continue
			}
			if d.Annotations == nil {
				d.Annotations = map[string]string{}
			}
			d.Annotations[a.Key] = a.Value
			placed = true
		}
		if !placed {
			return &AssembleError{
				Problem: fmt.Sprintf("annotation %s: no image is for this platform", a),
				Hint:    "there are: " + strings.Join(platformsOf(index.Manifests), ", "),
			}
		}
	}
	return nil
}

// concerns reports whether what is meant for one platform (nil is all) is
// meant for a manifest of the other. OS versions play no part in it.
func concerns(meant, of *ocispecs.Platform) bool {
	if meant == nil {
		return true
	}
	return of != nil && platforms.Format(platforms.Normalize(*meant)) == platforms.Format(platforms.Normalize(*of))
}

// platformsOf are the platforms of an index's images, each once.
func platformsOf(list []ocispecs.Descriptor) []string {
	var names []string
	for _, d := range list {
		if d.Platform == nil || IsAttestation(d) {
			continue
		}
		if name := platforms.Format(*d.Platform); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Decode parses the content of an index. The error is an *AssembleError.
func Decode(m Manifest) (ocispecs.Index, error) {
	var index ocispecs.Index
	if err := json.Unmarshal(m.Content, &index); err != nil {
		return index, &AssembleError{Problem: fmt.Sprintf("index %s is not valid JSON: %s", m.Descriptor.Digest, err)}
	}
	return index, nil
}

// encodeIndex writes an index as docker buildx does: the digest depends on
// every blank. An OCI index need not hold its media type itself.
func encodeIndex(index ocispecs.Index, mediaType string) (Manifest, error) {
	content, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return Manifest{}, fmt.Errorf("write an image index: %w", err)
	}
	return Manifest{
		Descriptor: ocispecs.Descriptor{
			MediaType: mediaType,
			Digest:    digest.FromBytes(content),
			Size:      int64(len(content)),
		},
		Content: content,
	}, nil
}
