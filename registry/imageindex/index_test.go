package imageindex

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func platform(name string) *ocispecs.Platform {
	os, rest, _ := strings.Cut(name, "/")
	architecture, variant, _ := strings.Cut(rest, "/")
	return &ocispecs.Platform{OS: os, Architecture: architecture, Variant: variant}
}

// image is an OCI image manifest with something of its own in it.
func image(name, of string) Manifest { return imageOf(ocispecs.MediaTypeImageManifest, name, of) }

func imageOf(mediaType, name, of string) Manifest {
	content := []byte(`{"schemaVersion":2,"name":"` + name + `"}`)
	m := Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))},
		Content:    content,
	}
	if of != "" {
		m.Descriptor.Platform = platform(of)
	}
	return m
}

// attestation describes an image.
func attestation(name string, of Manifest) Manifest {
	m := image(name, "unknown/unknown")
	m.Descriptor.Annotations = map[string]string{
		annotationReferenceDigest: of.Descriptor.Digest.String(),
		annotationReferenceType:   "attestation-manifest",
	}
	return m
}

// indexOf is an index as BuildKit pushes one: compact, unlike what Assemble
// writes.
func indexOf(t *testing.T, mediaType string, annotations map[string]string, list ...Manifest) Manifest {
	t.Helper()
	index := ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Annotations: annotations}
	for _, m := range list {
		index.Manifests = append(index.Manifests, m.Descriptor)
	}
	content, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	return Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))},
		Content:    content,
	}
}

func described(m Manifest, annotations map[string]string) Manifest {
	m.Descriptor.Annotations = annotations
	return m
}

func served(m Manifest, by string) Manifest {
	m.Descriptor.Platform = platform(by)
	return m
}

func TestAssemble(t *testing.T) {
	const oci, docker = ocispecs.MediaTypeImageIndex, MediaTypeDockerList
	amd64, arm64 := image("a", "linux/amd64"), image("b", "linux/arm64")
	attA, attB := attestation("att-a", amd64), attestation("att-b", arm64)
	dockerA, dockerB := imageOf(MediaTypeDockerManifest, "a", "linux/amd64"), imageOf(MediaTypeDockerManifest, "b", "linux/arm64")
	nested := Manifest{Descriptor: indexOf(t, oci, nil, image("c", "linux/s390x")).Descriptor}
	windows1, windows2 := image("w1", "windows/amd64"), image("w2", "windows/amd64")
	windows1.Descriptor.Platform.OSVersion, windows2.Descriptor.Platform.OSVersion = "10.0.1", "10.0.2"

	for _, tt := range []struct {
		name        string
		sources     []Manifest
		annotations []Annotation
		mediaType   string
		want        []Manifest
		index       map[string]string // annotations of the index
	}{
		{"two images", []Manifest{amd64, arm64}, nil, oci, []Manifest{amd64, arm64}, nil},
		{"the order is that of the sources", []Manifest{arm64, amd64}, nil, oci, []Manifest{arm64, amd64}, nil},
		{"one image becomes an index", []Manifest{amd64}, nil, oci, []Manifest{amd64}, nil},
		{
			"indexes are flattened, attestations kept",
			[]Manifest{indexOf(t, oci, nil, amd64, attA), indexOf(t, oci, nil, arm64, attB)}, nil,
			oci, []Manifest{amd64, attA, arm64, attB}, nil,
		},
		{
			"an index and an image, annotations of the index are not taken over",
			[]Manifest{indexOf(t, oci, map[string]string{"x": "y"}, amd64), arm64}, nil,
			oci, []Manifest{amd64, arm64}, nil,
		},
		{"an index in an index stays", []Manifest{indexOf(t, oci, nil, amd64, nested), arm64}, nil, oci, []Manifest{amd64, nested, arm64}, nil},
		{"docker's types alone", []Manifest{dockerA, dockerB}, nil, docker, []Manifest{dockerA, dockerB}, nil},
		{"docker's types in an oci index", []Manifest{indexOf(t, oci, nil, dockerA), dockerB}, nil, docker, []Manifest{dockerA, dockerB}, nil},
		{"mixed types", []Manifest{dockerA, arm64}, nil, oci, []Manifest{dockerA, arm64}, nil},
		{"the same image twice", []Manifest{amd64, arm64, amd64}, nil, oci, []Manifest{amd64, arm64}, nil},
		{
			"what is there twice is merged",
			[]Manifest{described(amd64, map[string]string{"a": "1", "b": "1"}), described(served(amd64, "linux/amd64/v2"), map[string]string{"b": "2", "c": "2"})}, nil,
			oci, []Manifest{described(served(amd64, "linux/amd64/v2"), map[string]string{"a": "1", "b": "2", "c": "2"})}, nil,
		},
		{
			"a duplicate without a platform leaves the platform",
			[]Manifest{indexOf(t, oci, nil, amd64), indexOf(t, oci, nil, Manifest{Descriptor: ocispecs.Descriptor{MediaType: amd64.Descriptor.MediaType, Digest: amd64.Descriptor.Digest, Size: amd64.Descriptor.Size}})}, nil,
			oci, []Manifest{amd64}, nil,
		},
		{"os versions are platforms of their own", []Manifest{windows1, windows2}, nil, oci, []Manifest{windows1, windows2}, nil},
		{
			"one source may hold several images for a platform",
			[]Manifest{indexOf(t, oci, nil, amd64, image("a-zstd", "linux/amd64")), arm64}, nil,
			oci, []Manifest{amd64, image("a-zstd", "linux/amd64"), arm64}, nil,
		},
		{
			"annotations of the index",
			[]Manifest{amd64, arm64}, []Annotation{{Level: LevelIndex, Key: "k", Value: "v"}, {Level: LevelIndex, Key: "k", Value: "w"}},
			oci, []Manifest{amd64, arm64}, map[string]string{"k": "w"},
		},
		{
			"a single index with annotations is made anew",
			[]Manifest{indexOf(t, oci, nil, amd64)}, []Annotation{{Level: LevelIndex, Key: "k", Value: "v"}},
			oci, []Manifest{amd64}, map[string]string{"k": "v"},
		},
		{
			"annotations of descriptors leave attestations alone",
			[]Manifest{indexOf(t, oci, nil, amd64, attA), arm64}, []Annotation{{Level: LevelManifestDescriptor, Key: "k", Value: "v"}},
			oci, []Manifest{described(amd64, map[string]string{"k": "v"}), attA, described(arm64, map[string]string{"k": "v"})}, nil,
		},
		{
			"annotations of one platform, however it is written",
			[]Manifest{amd64, served(arm64, "linux/arm64/v8")}, []Annotation{{Level: LevelManifestDescriptor, Platform: platform("linux/arm64"), Key: "k", Value: "v"}},
			oci, []Manifest{amd64, described(served(arm64, "linux/arm64/v8"), map[string]string{"k": "v"})}, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, err := json.Marshal(tt.sources)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Assemble(tt.sources, tt.annotations)
			if err != nil {
				t.Fatal(err)
			}
			if after, err := json.Marshal(tt.sources); err != nil || string(after) != string(before) {
				t.Errorf("the sources were %s and are %s, error %v", before, after, err)
			}
			var index ocispecs.Index
			if err := json.Unmarshal(got.Content, &index); err != nil {
				t.Fatal(err)
			}
			want := ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: tt.mediaType, Annotations: tt.index}
			for _, m := range tt.want {
				want.Manifests = append(want.Manifests, m.Descriptor)
			}
			if diff := cmp.Diff(want, index); diff != "" {
				t.Errorf("index (-want +got):\n%s", diff)
			}
			descriptor := ocispecs.Descriptor{MediaType: tt.mediaType, Digest: digest.FromBytes(got.Content), Size: int64(len(got.Content))}
			if diff := cmp.Diff(descriptor, got.Descriptor); diff != "" {
				t.Errorf("descriptor (-want +got):\n%s", diff)
			}
			again, err := Assemble(tt.sources, tt.annotations)
			if err != nil || string(again.Content) != string(got.Content) {
				t.Errorf("a second time it is %s, error %v", again.Content, err)
			}
		})
	}
}

func TestAssembleErrors(t *testing.T) {
	amd64, other := image("a", "linux/amd64"), image("a2", "linux/amd64")
	docker := imageOf(MediaTypeDockerManifest, "a", "linux/amd64")
	broken := image("x", "linux/amd64")
	broken.Descriptor.MediaType, broken.Content = ocispecs.MediaTypeImageIndex, []byte("{")
	index := []Annotation{{Level: LevelIndex, Key: "k"}}
	for _, tt := range []struct {
		name        string
		sources     []Manifest
		annotations []Annotation
		want, hint  string
	}{
		{"nothing", nil, nil, "there is no source", ""},
		{"clash", []Manifest{amd64, other}, nil, "different images for linux/amd64: " + amd64.Descriptor.Digest.String() + " and " + other.Descriptor.Digest.String(), "--platform"},
		{"clash in another spelling", []Manifest{served(amd64, "linux/arm64"), served(other, "linux/arm64/v8")}, nil, "different images for linux/arm64", "--platform"},
		{"clash inside indexes", []Manifest{indexOf(t, ocispecs.MediaTypeImageIndex, nil, amd64), indexOf(t, ocispecs.MediaTypeImageIndex, nil, other)}, nil, "different images for linux/amd64", ""},
		{"schema 1", []Manifest{imageOf(mediaTypeDockerSchema1, "a", "linux/amd64")}, nil, "schema 1", "push the image again"},
		{"signed schema 1", []Manifest{imageOf(mediaTypeDockerSchema1Signed, "a", "linux/amd64")}, nil, "schema 1", ""},
		{"no platform", []Manifest{image("a", "")}, nil, "platform of manifest " + amd64.Descriptor.Digest.String(), ""},
		{"broken index", []Manifest{broken, amd64}, nil, "not valid JSON", ""},
		{"annotation of docker's list", []Manifest{docker}, index, "Docker's manifest list has no annotations", "oci-mediatypes=true"},
		{"annotation of a manifest", []Manifest{amd64}, []Annotation{{Level: LevelManifest, Key: "k"}}, "annotation manifest:k", "write index:k=…"},
		{"annotation without a level", []Manifest{amd64}, []Annotation{{Key: "k"}}, "annotation k: ", "manifest-descriptor:k=…"},
		{"annotation of an index descriptor", []Manifest{amd64}, []Annotation{{Level: LevelIndexDescriptor, Key: "k"}}, "annotation index-descriptor:k", "index:k=…"},
		{"annotation of a platform that is not there", []Manifest{amd64}, []Annotation{{Level: LevelManifestDescriptor, Platform: platform("linux/arm64"), Key: "k"}}, "manifest-descriptor[linux/arm64]:k: no image", "there are: linux/amd64"},
	} {
		_, err := Assemble(tt.sources, tt.annotations)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
			continue
		}
		var known *AssembleError
		if !errors.As(err, &known) || !strings.Contains(strings.Join(known.Hints(), "\n"), tt.hint) {
			t.Errorf("%s: hints of %#v do not say %q", tt.name, err, tt.hint)
		}
	}
}

// The bytes are part of the contract: docker buildx writes the same, so both
// tools push one digest.
func TestAssembleBytes(t *testing.T) {
	amd64, arm64 := image("a", "linux/amd64"), image("b", "linux/arm64")
	attestation := attestation("att", amd64)
	got, err := Assemble([]Manifest{indexOf(t, ocispecs.MediaTypeImageIndex, nil, amd64, attestation), arm64},
		[]Annotation{{Level: LevelIndex, Key: "b", Value: "<1>"}, {Level: LevelIndex, Key: "a", Value: "2"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "` + amd64.Descriptor.Digest.String() + `",
      "size": 30,
      "platform": {
        "architecture": "amd64",
        "os": "linux"
      }
    },
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "` + attestation.Descriptor.Digest.String() + `",
      "size": 32,
      "annotations": {
        "vnd.docker.reference.digest": "` + amd64.Descriptor.Digest.String() + `",
        "vnd.docker.reference.type": "attestation-manifest"
      },
      "platform": {
        "architecture": "unknown",
        "os": "unknown"
      }
    },
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "` + arm64.Descriptor.Digest.String() + `",
      "size": 30,
      "platform": {
        "architecture": "arm64",
        "os": "linux"
      }
    }
  ],
  "annotations": {
    "a": "2",
    "b": "\u003c1\u003e"
  }
}`
	if diff := cmp.Diff(want, string(got.Content)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAssembleSingleIndexIsLeftAlone(t *testing.T) {
	for _, mediaType := range []string{ocispecs.MediaTypeImageIndex, MediaTypeDockerList} {
		source := indexOf(t, mediaType, map[string]string{"x": "y"}, image("a", "linux/amd64"), image("a2", "linux/amd64"))
		got, err := Assemble([]Manifest{source}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(source, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mediaType, diff)
		}
	}
}

func TestFilter(t *testing.T) {
	const oci = ocispecs.MediaTypeImageIndex
	amd64, arm64, armv7 := image("a", "linux/amd64"), image("b", "linux/arm64"), image("c", "linux/arm/v7")
	attA, attB := attestation("att-a", amd64), attestation("att-b", arm64)
	all := indexOf(t, oci, map[string]string{"k": "v"}, amd64, arm64, attA, attB, armv7)
	for _, tt := range []struct {
		name   string
		from   Manifest
		wanted []string
		want   []Manifest // nil: all of from, byte for byte
	}{
		{"no platform", all, nil, nil},
		{"all", indexOf(t, oci, nil, amd64, attA), []string{"linux/amd64"}, nil},
		{"one with its attestation", all, []string{"linux/arm64"}, []Manifest{arm64, attB}},
		{"a variant by its normal spelling", all, []string{"linux/arm"}, []Manifest{armv7}},
		{"the order stays", all, []string{"linux/arm/v7", "linux/amd64"}, []Manifest{amd64, attA, armv7}},
		{"what has no platform stays", indexOf(t, oci, nil, image("x", ""), amd64, arm64), []string{"linux/amd64"}, []Manifest{image("x", ""), amd64}},
		{"an image that matches", amd64, []string{"linux/amd64"}, nil},
	} {
		var wanted []ocispecs.Platform
		for _, name := range tt.wanted {
			wanted = append(wanted, *platform(name))
		}
		got, err := Filter(tt.from, wanted)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if tt.want == nil {
			if diff := cmp.Diff(tt.from, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			continue
		}
		var index ocispecs.Index
		if err := json.Unmarshal(got.Content, &index); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var list []ocispecs.Descriptor
		for _, m := range tt.want {
			list = append(list, m.Descriptor)
		}
		if diff := cmp.Diff(list, index.Manifests); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if got.Descriptor.Digest != digest.FromBytes(got.Content) {
			t.Errorf("%s: digest %s is not that of the content", tt.name, got.Descriptor.Digest)
		}
	}
	for _, from := range []Manifest{all, amd64, image("x", "")} {
		if _, err := Filter(from, []ocispecs.Platform{*platform("linux/s390x")}); err == nil || !strings.Contains(err.Error(), "--platform linux/s390x") {
			t.Errorf("error %v does not name the platform", err)
		}
	}
}

func TestPlatforms(t *testing.T) {
	index := Manifest{
		Descriptor: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageIndex},
		Content: []byte(`{"manifests":[
			{"digest":"sha256:a","platform":{"os":"linux","architecture":"amd64"}},
			{"digest":"sha256:b","platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
			{"digest":"sha256:c","platform":{"os":"unknown","architecture":"unknown"}},
			{"digest":"sha256:d"}]}`),
	}
	got := map[string]string{}
	for platform, d := range index.Platforms() {
		got[platform] = d.Digest.String()
	}
	want := map[string]string{"linux/amd64": "sha256:a", "linux/arm64": "sha256:b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	if got := (Manifest{Descriptor: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageManifest}, Content: []byte(`{}`)}).Platforms(); got != nil {
		t.Errorf("an image has platforms %v", got)
	}
}
