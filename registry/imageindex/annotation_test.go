package imageindex

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
)

func TestParseAnnotation(t *testing.T) {
	amd64 := &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	armv7 := &ocispecs.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	for _, tt := range []struct {
		value string
		want  []Annotation
		keys  []string // of BuildKit's exporter
	}{
		{"a.b=c", []Annotation{{Key: "a.b", Value: "c"}}, []string{"annotation.a.b"}},
		{"a=", []Annotation{{Key: "a"}}, []string{"annotation.a"}},
		{"a=b=c:d", []Annotation{{Key: "a", Value: "b=c:d"}}, []string{"annotation.a"}},
		{"index:a=b", []Annotation{{Level: LevelIndex, Key: "a", Value: "b"}}, []string{"annotation-index.a"}},
		{"index-descriptor:a=b", []Annotation{{Level: LevelIndexDescriptor, Key: "a", Value: "b"}}, []string{"annotation-index-descriptor.a"}},
		{"manifest:a:b=c", []Annotation{{Level: LevelManifest, Key: "a:b", Value: "c"}}, []string{"annotation-manifest.a:b"}},
		{
			"manifest[linux/amd64],manifest-descriptor[linux/arm/v7],index:a=b",
			[]Annotation{
				{Level: LevelManifest, Platform: amd64, Key: "a", Value: "b"},
				{Level: LevelManifestDescriptor, Platform: armv7, Key: "a", Value: "b"},
				{Level: LevelIndex, Key: "a", Value: "b"},
			},
			[]string{"annotation-manifest[linux/amd64].a", "annotation-manifest-descriptor[linux/arm/v7].a", "annotation-index.a"},
		},
		// There is one index for all platforms.
		{"index[linux/amd64]:a=b", []Annotation{{Level: LevelIndex, Key: "a", Value: "b"}}, []string{"annotation-index.a"}},
	} {
		got, err := ParseAnnotation(tt.value)
		if err != nil {
			t.Errorf("%s: %v", tt.value, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.value, diff)
		}
		var keys []string
		for _, a := range got {
			keys = append(keys, a.ExporterKey())
		}
		if diff := cmp.Diff(tt.keys, keys); diff != "" {
			t.Errorf("%s: exporter keys (-want +got):\n%s", tt.value, diff)
		}
	}
}

func TestParseAnnotationErrors(t *testing.T) {
	for value, want := range map[string]string{
		"":                         "has no =",
		"a":                        "has no =",
		"=b":                       "the key is empty",
		"index:=b":                 "the key is empty",
		"a key=b":                  "white space",
		"images:a=b":               `unknown level "images", known are manifest, manifest-descriptor, index, index-descriptor`,
		"org.x:a=b":                `"org.x" is not a level`,
		":a=b":                     `"" is not a level`,
		"index,:a=b":               `"" is not a level`,
		"manifest[:a=b":            `"manifest[" is not a level`,
		"manifest[linux/a/b/c]:a=": `invalid platform "linux/a/b/c"`,
		"manifest[linux/amd46]:a=": `invalid platform "linux/amd46": "amd46" is not a known architecture; did you mean linux/amd64?`,
	} {
		_, err := ParseAnnotation(value)
		var usage *fault.Usage
		if !errors.As(err, &usage) {
			t.Errorf("%q: error %v is no *fault.Usage", value, err)
			continue
		}
		if usage.Flag != "--annotation" || !strings.Contains(err.Error(), want) || len(usage.Hints()) == 0 {
			t.Errorf("%q: error %q (hints %q) does not say %q", value, err, usage.Hints(), want)
		}
	}
}

// What is parsed reaches BuildKit, whose own pattern a key must match, and
// survives being written and parsed again.
func FuzzParseAnnotation(f *testing.F) {
	for _, seed := range []string{"a=b", "index:a=b", "manifest[linux/amd64],index:k=v", "x:y=z", "=", "[", "manifest[]:a="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		all, err := ParseAnnotation(value)
		if err != nil {
			return
		}
		if len(all) == 0 {
			t.Fatalf("%q: no annotation and no error", value)
		}
		for _, a := range all {
			if key := a.ExporterKey(); !strings.HasSuffix(key, "."+a.Key) || strings.ContainsAny(key, " \t\n") {
				t.Errorf("%q: exporter key %q", value, key)
			}
			again, err := ParseAnnotation(a.String() + "=" + a.Value)
			if err != nil {
				t.Fatalf("%q: written as %q: %v", value, a, err)
			}
			if diff := cmp.Diff([]Annotation{a}, again); diff != "" {
				t.Errorf("%q: written as %q (-want +got):\n%s", value, a, diff)
			}
		}
	})
}
