package imagetools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"text/template"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// wholeManifest is the template that docker buildx answers with its text.
var wholeManifest = regexp.MustCompile(`^\{\{\s*\.Manifest\s*\}\}$`)

// Formatter is a parsed value of --format.
type Formatter struct {
	given    string
	text     bool
	template *template.Template
}

// FormatJSON is the value of --format that is not a template: an Inspected and a
// line feed.
const FormatJSON = "json"

// ParseFormat parses FormatJSON or a Go template over Name, Manifest, Image, SBOM and
// Provenance, with the function json. The error is a *fault.Usage.
func ParseFormat(value string) (*Formatter, error) {
	if value == FormatJSON {
		value = "{{json .}}\n"
	}
	parsed, err := template.New("format").Funcs(template.FuncMap{"json": indentedJSON}).Parse(value)
	if err != nil {
		return nil, &fault.Usage{
			Flag: "--format", Value: value, Problem: err.Error(),
			Hint: "it is a Go template over .Name, .Manifest, .Image, .SBOM and .Provenance, for example {{json .Manifest}}",
		}
	}
	return &Formatter{given: value, text: wholeManifest.MatchString(strings.TrimSpace(value)), template: parsed}, nil
}

func indentedJSON(value any) (string, error) {
	data, err := json.MarshalIndent(value, "", "  ")
	return string(data), err
}

// Format writes what the template asks for; only that is read from the
// registry.
func (i *Inspection) Format(ctx context.Context, out io.Writer, f *Formatter) error {
	if f.text {
		_, err := io.WriteString(out, i.Text())
		return err
	}
	var text bytes.Buffer
	err := f.template.Execute(&text, view{ctx: ctx, inspection: i, Name: i.Name, Manifest: i.manifestView()})
	if failed := (template.ExecError{}); errors.As(err, &failed) && !isRead(err) {
		return &fault.Usage{Flag: "--format", Value: f.given, Problem: failed.Error()}
	}
	if err != nil {
		return err
	}
	_, err = text.WriteTo(out)
	return err
}

// isRead reports whether an error is one of reading the image and not of the
// template.
func isRead(err error) bool {
	var (
		refused  *remote.Error
		usage    *fault.Usage
		assemble *imageindex.AssembleError
	)
	return errors.As(err, &refused) || errors.As(err, &usage) || errors.As(err, &assemble) || errors.Is(err, context.Canceled)
}

// InspectedIndex is an index as templates see it, with its own digest and size. The
// keys and their order are those of docker buildx.
type InspectedIndex struct {
	// SchemaVersion is 2.
	SchemaVersion int `json:"schemaVersion"`
	// MediaType, Digest and Size are those of the index.
	MediaType string        `json:"mediaType,omitempty"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	// Manifests are what the index refers to, in its order.
	Manifests []ocispecs.Descriptor `json:"manifests"`
	// Annotations are those of the index.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Inspected is what {{json .}} prints of an image. The keys and their order are those
// of docker buildx.
type Inspected struct {
	// Name is the name that was asked for.
	Name string `json:"name,omitempty"`
	// Manifest is an index, with its own digest and size, or for the manifest of an
	// image its descriptor.
	Manifest any `json:"manifest,omitempty"`
	// Image is the OCI configuration of the image. Of an image for several platforms
	// it is an object of these by platform, as in "linux/amd64".
	Image any `json:"image,omitempty"`
}

// manifestView is an InspectedIndex, or for an image manifest its descriptor.
func (i *Inspection) manifestView() any {
	d := i.Image.Descriptor
	if !i.Image.IsIndex() {
		return d
	}
	return InspectedIndex{
		SchemaVersion: i.index.SchemaVersion,
		MediaType:     i.index.MediaType,
		Digest:        d.Digest,
		Size:          d.Size,
		Manifests:     i.index.Manifests,
		Annotations:   i.index.Annotations,
	}
}

// view is what a template works on. Image, SBOM and Provenance are maps by
// platform, or the thing itself when the image has one platform only.
type view struct {
	// The context of the one execution that the view is made for: templates
	// call methods without arguments.
	ctx        context.Context
	inspection *Inspection

	Name     string
	Manifest any
}

// Image is the configuration of the image.
func (v view) Image() (any, error) {
	all, err := v.inspection.configs(v.ctx)
	return oneOrAll(v.inspection, all), err
}

// SBOM is the package list of the image.
func (v view) SBOM() (any, error) {
	all, err := v.inspection.sboms(v.ctx)
	if one := oneOrAll(v.inspection, all); one != nil || err != nil {
		return one, err
	}
	return SBOM{}, nil
}

// Provenance says how the image was built.
func (v view) Provenance() (any, error) {
	all, err := v.inspection.provenances(v.ctx)
	if one := oneOrAll(v.inspection, all); one != nil || err != nil {
		return one, err
	}
	return Provenance{}, nil
}

// MarshalJSON implements json.Marshaler, for {{json .}}.
func (v view) MarshalJSON() ([]byte, error) {
	image, err := v.Image()
	if err != nil {
		return nil, err
	}
	return json.Marshal(Inspected{v.Name, v.Manifest, image})
}

// oneOrAll is the map for an image of several platforms, else its only value,
// nil for none.
func oneOrAll[T any](i *Inspection, all map[string]T) any {
	if i.platformCount() > 1 {
		return all
	}
	for _, one := range all {
		return one
	}
	return nil
}

// platformCount is the number of platforms that the image is for.
func (i *Inspection) platformCount() int {
	seen := map[string]bool{}
	for _, d := range i.index.Manifests {
		if imageindex.IsImage(d.MediaType) && !imageindex.IsAttestation(d) {
			seen[cmp.Or(platformName(d.Platform), d.Digest.String())] = true
		}
	}
	return max(len(seen), 1)
}
