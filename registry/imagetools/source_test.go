package imagetools

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/registrytest"
)

func TestParseSource(t *testing.T) {
	d := registrytest.Image("a", "").Descriptor.Digest
	for value, want := range map[string]Source{
		"app":                         {Reference: "docker.io/library/app:latest"},
		"registry.example:5000/app:1": {Reference: "registry.example:5000/app:1"},
		"acme/app@" + d.String():      {Reference: "docker.io/acme/app@" + d.String()},
		"oci-layout://dir":            {Reference: "oci-layout://dir:latest"},
		d.String():                    {Descriptor: ocispecs.Descriptor{Digest: d}},
		d.String() + "\n":             {Descriptor: ocispecs.Descriptor{Digest: d}},
		`{"mediaType":"m","digest":"` + d.String() + `","size":3,"annotations":{"a":"b"},"platform":{"os":"linux","architecture":"arm64"}}`: {
			Descriptor: ocispecs.Descriptor{MediaType: "m", Digest: d, Size: 3, Annotations: map[string]string{"a": "b"}, Platform: registrytest.Platform("linux/arm64")},
		},
	} {
		got, err := ParseSource(value)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
	for value, want := range map[string]string{
		"":                       "is not an image reference",
		"App":                    "lowercase",
		"sha256:123":             "is not a digest",
		"oci-layout://":          "names no directory",
		"{":                      "is not a descriptor",
		`{"digest":"x"}`:         `its digest "x" is none`,
		`{"schemaVersion":2}`:    "is a manifest or index",
		`{"mediaType":"m"}`:      `its digest "" is none`,
		"registry.example/app:@": "is not an image reference",
	} {
		_, err := ParseSource(value)
		var usage *fault.Usage
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v does not say %q", value, err, want)
		}
	}
}

func TestParseTag(t *testing.T) {
	for value, want := range map[string]string{
		"app":                    "docker.io/library/app:latest",
		"registry.example/a/b:1": "registry.example/a/b:1",
	} {
		if got, err := ParseTag(value); err != nil || got != want {
			t.Errorf("%s: %s, error %v", value, got, err)
		}
	}
	if got, err := ParseTag("oci-layout://dir@" + registrytest.Image("a", "").Descriptor.Digest.String()); err != nil {
		t.Errorf("a layout by its digest: %s, error %v", got, err)
	}
	for _, value := range []string{"", "oci-layout://", "app@" + registrytest.Image("a", "").Descriptor.Digest.String(), "A"} {
		if got, err := ParseTag(value); err == nil {
			t.Errorf("%q is %s", value, got)
		}
	}
}

func FuzzParseSource(f *testing.F) {
	for _, seed := range []string{"app:1", "sha256:00", `{"digest":"sha256:00"}`, "{", "oci-layout://x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		s, err := ParseSource(value)
		if err == nil && (s.Reference == "") == (s.Descriptor.Digest == "") {
			t.Errorf("%q is %+v: neither or both of reference and digest", value, s)
		}
	})
}
