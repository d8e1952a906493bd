package kaniko

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

// parseDestination parses a destination; the tag is latest where it has none. The error is
// a *fault.Usage.
func parseDestination(value string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(value)
	if err != nil {
		return nil, &fault.Usage{Flag: "--destination", Value: value, Problem: err.Error(), Hint: "the form is HOST/REPOSITORY:TAG"}
	}
	if _, digested := named.(reference.Digested); digested {
		return nil, &fault.Usage{Flag: "--destination", Value: value, Problem: "an image cannot be pushed to a digest", Hint: "the form is HOST/REPOSITORY:TAG"}
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok { // only a digest would keep it from being one
		return nil, &fault.Usage{Flag: "--destination", Value: value, Problem: "has no tag"}
	}
	return tagged, nil
}

// repositoryName is a repository as kaniko writes it: its library calls Docker Hub by
// another name.
func repositoryName(named reference.Named) string {
	if rest, ok := strings.CutPrefix(named.Name(), "docker.io/"); ok {
		return "index.docker.io/" + rest
	}
	return named.Name()
}

// File is a file that says what a build has made.
type File struct {
	// Flag is what asks for it, Path where it goes: a file or an https URL.
	Flag, Path string
	// Content is what it holds, by the digest of the image.
	Content func(digest string) []byte
}

// Remote tells whether the file is put to a URL.
func (f File) Remote() bool { return strings.HasPrefix(f.Path, "https://") }

// files are those that the flags ask for, with the content that kaniko gives them
// (https://github.com/GoogleContainerTools/kaniko/blob/v1.24.0/pkg/executor/push.go).
func files(v values, destinations []reference.NamedTagged, pushed bool, lookup func(string) (string, bool)) (list []File) {
	add := func(flag string, content func(digest string) []byte) {
		if path := v.text(flag, ""); path != "" {
			list = append(list, File{Flag: "--" + flag, Path: path, Content: content})
		}
	}
	const withTag = "image-name-tag-with-digest-file"
	names := func(digest string) []byte {
		var b strings.Builder
		for _, d := range destinations {
			b.WriteString(repositoryName(d))
			if v.text(withTag, "") != "" {
				b.WriteString(":" + d.Tag())
			}
			b.WriteString("@" + digest + "\n")
		}
		return []byte(b.String())
	}
	add("digest-file", func(digest string) []byte { return []byte(digest) })
	add("image-name-with-digest-file", names)
	add(withTag, names)
	if dir, _ := lookup("BUILDER_OUTPUT"); dir != "" && pushed { // Google Cloud Build reads it
		list = append(list, File{Flag: "BUILDER_OUTPUT", Path: filepath.Join(dir, "images"), Content: func(digest string) []byte {
			var b bytes.Buffer
			for _, name := range v.all("destination") {
				// Text always has a JSON.
				_ = json.NewEncoder(&b).Encode(struct {
					Name   string `json:"name"`
					Digest string `json:"digest"`
				}{name, digest})
			}
			return b.Bytes()
		}})
	}
	return list
}

// Put puts a file to its URL, such as one that a store of objects has signed.
func (f File) Put(ctx context.Context, client *http.Client, digest string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, f.Path, bytes.NewReader(f.Content(digest)))
	if err != nil {
		return fmt.Errorf("%s: is not a URL", f.Flag)
	}
	request.Header.Set("Content-Type", "text/plain")
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Flag, withoutURL(err))
	}
	_ = response.Body.Close() // nothing of it is of use
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: PUT to %s: %s", f.Flag, request.URL.Host, sanitize.Line(response.Status))
	}
	return nil
}
