package imagetools

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/sanitize/sanitizetest"
	"github.com/slipway-build/slipway/registry/registrytest"
	"github.com/slipway-build/slipway/registry/remote"
)

// The layout is, to the blank, that of docker buildx imagetools inspect.
func TestInspectText(t *testing.T) {
	s := registrytest.NewServer(t)
	index, list := registrytest.PushIndex(t, s)
	i, err := Inspect(t.Context(), remote.New(remote.Options{}), s.Host+"/app:1")
	if err != nil {
		t.Fatal(err)
	}
	name := s.Host + "/app:1"
	want := `Name:      ` + name + `
MediaType: application/vnd.oci.image.index.v1+json
Digest:    ` + index.Descriptor.Digest.String() + `
           
Manifests: 
  Name:        ` + name + "@" + list[0].Descriptor.Digest.String() + `
  MediaType:   application/vnd.oci.image.manifest.v1+json
  Platform:    linux/amd64
               
  Name:        ` + name + "@" + list[1].Descriptor.Digest.String() + `
  MediaType:   application/vnd.oci.image.manifest.v1+json
  Platform:    unknown/unknown
  Annotations: 
    vnd.docker.reference.digest: ` + list[0].Descriptor.Digest.String() + `
    vnd.docker.reference.type:   attestation-manifest
             
  Name:      ` + name + "@" + list[2].Descriptor.Digest.String() + `
  MediaType: application/vnd.oci.image.manifest.v1+json
  Platform:  linux/arm64
`
	if diff := cmp.Diff(want, i.Text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInspectFormat(t *testing.T) {
	s := registrytest.NewServer(t)
	index, list := registrytest.PushIndex(t, s)
	c := remote.New(remote.Options{})
	multi, single := s.Host+"/app:1", s.Host+"/app@"+list[2].Descriptor.Digest.String()
	for _, tt := range []struct {
		name, image, template, want string
	}{
		{"name as it was written", multi, "{{.Name}}", multi},
		{"digest", multi, "{{.Manifest.Digest}}", index.Descriptor.Digest.String()},
		{"manifests", multi, "{{len .Manifest.Manifests}}", "3"},
		{"config of one of several", multi, `{{(index .Image "linux/arm64").Architecture}}`, "arm64"},
		{"platforms", multi, `{{range $p, $i := .Image}}{{$p}}={{index $i.Config.Env 0}} {{end}}`, "linux/amd64=OF=linux/amd64 linux/arm64=OF=linux/arm64 "},
		{"package list by platform", multi, `{{json (index .SBOM "linux/amd64").SPDX}}`, "{\n  \"of\": \"amd64\"\n}"},
		{"no provenance anywhere", multi, `{{json .Provenance}}`, "{}"},
		{"config of the only one", single, `{{.Image.OS}}/{{.Image.Architecture}}`, "linux/arm64"},
		{"no package list", single, `{{json .SBOM}}`, "{}"},
		{"descriptor of a manifest", single, `{{.Manifest.MediaType}}`, ocispecs.MediaTypeImageManifest},
	} {
		i, err := Inspect(t.Context(), c, tt.image)
		if err != nil {
			t.Fatal(err)
		}
		f, err := ParseFormat(tt.template)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := i.Format(t.Context(), &out, f); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if _, err := ParseFormat("{{.Name"); err == nil || !strings.Contains(err.Error(), "--format") {
		t.Errorf("error %v", err)
	}
}

func TestInspectWhole(t *testing.T) {
	s := registrytest.NewServer(t)
	index, _ := registrytest.PushIndex(t, s)
	i, err := Inspect(t.Context(), remote.New(remote.Options{}), s.Host+"/app:1")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFormat("{{json .}}")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := i.Format(t.Context(), &out, f); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Name     string
		Manifest struct{ Digest string }
		Image    map[string]ocispecs.Image
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != s.Host+"/app:1" || got.Manifest.Digest != index.Descriptor.Digest.String() || got.Image["linux/amd64"].Architecture != "amd64" || len(got.Image) != 2 {
		t.Errorf("%s", out.String())
	}
}

// A digest must cost one answer, whatever the image holds.
func TestFormatReadsOnlyWhatIsAskedFor(t *testing.T) {
	s := registrytest.NewServer(t)
	registrytest.PushIndex(t, s)
	before := len(s.Seen)
	i, err := Inspect(t.Context(), remote.New(remote.Options{}), s.Host+"/app:1")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ParseFormat("{{json .Manifest}}")
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Format(t.Context(), &strings.Builder{}, f); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Seen) - before; n != 1 {
		t.Errorf("%d requests: %q", n, s.Seen[before:])
	}
}

func TestReadPredicate(t *testing.T) {
	plain := `{"predicate":{"a":1}}`
	signed := `{"payload":"` + base64.StdEncoding.EncodeToString([]byte(plain)) + `","signatures":[]}`
	for _, tt := range []struct {
		data, mediaType string
		ok              bool
	}{
		{plain, mediaTypeInToto, true},
		{signed, "application/vnd.in-toto.spdx+dsse", true},
		{plain, "application/vnd.in-toto.spdx+dsse", false},
		{"{", mediaTypeInToto, false},
		{`{"payload":"!"}`, "application/vnd.in-toto.provenance+dsse", false},
	} {
		got, err := readPredicate([]byte(tt.data), tt.mediaType)
		if (err == nil) != tt.ok {
			t.Errorf("%s as %s: error %v", tt.data, tt.mediaType, err)
		}
		if diff := cmp.Diff(any(map[string]any{"a": 1.0}), got); tt.ok && diff != "" {
			t.Errorf("%s as %s (-want +got):\n%s", tt.data, tt.mediaType, diff)
		}
	}
}

// TestTextHasNoCommands inspects an image whose maker wants to take over the
// job that looks at it.
func TestTextHasNoCommands(t *testing.T) {
	const hostile = "x\n::error::a\t##vso[b]\r--- c\x1b[2J"
	i := &Inspection{Reference: "h/a:1", index: ocispecs.Index{Manifests: []ocispecs.Descriptor{{
		MediaType: hostile, Annotations: map[string]string{hostile: hostile}, URLs: []string{hostile},
		Platform: &ocispecs.Platform{OS: hostile, Architecture: hostile, OSVersion: hostile, OSFeatures: []string{hostile}},
	}}}}
	i.Image.Descriptor.MediaType = ocispecs.MediaTypeImageIndex
	text := i.Text()
	if commands := sanitizetest.Commands(text); len(commands) > 0 || !strings.Contains(text, "error::a") {
		t.Errorf("%q in:\n%s", commands, text)
	}
}
