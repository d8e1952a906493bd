package tagging

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/agent/ci/results"
	"github.com/slipway-build/slipway/agent/ci/tagrule"
)

// The values of --format.
const (
	Text   = "text"
	JSON   = "json"
	GitHub = "github"
	Bake   = "bake"
)

// Print prints a result: Text is one reference a line, GitHub the lines of the file
// GITHUB_OUTPUT, Bake a definition for docker buildx bake. JSON is printed by the
// caller.
func Print(w io.Writer, made tagrule.Result, format string) error {
	switch format {
	case GitHub:
		outputs, err := made.Outputs()
		if err != nil {
			return err
		}
		for _, o := range outputs {
			if _, err := io.WriteString(w, results.GitHubOutput(o.Name, o.Value)); err != nil {
				return err
			}
		}
		return nil
	case Bake:
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(bakeFile(made))
	}
	for _, tag := range made.Tags {
		if _, err := fmt.Fprintln(w, tag); err != nil {
			return err
		}
	}
	return nil
}

// bakeTarget is the target that the bake files of docker/metadata-action define, and
// that others inherit from.
const bakeTarget = "docker-metadata-action"

// bakeFile is a bake file as the action writes it, with tags, labels and annotations.
func bakeFile(made tagrule.Result) any {
	values := made.JSON()
	var images []string
	for _, tag := range values.Tags {
		if image, _, found := cutTag(tag); found && !slices.Contains(images, image) {
			images = append(images, image)
		}
	}
	return map[string]any{"target": map[string]any{bakeTarget: map[string]any{
		"tags": values.Tags, "labels": values.Labels, "annotations": values.Annotations,
		"args": map[string]string{"DOCKER_META_IMAGES": strings.Join(images, ","), "DOCKER_META_VERSION": values.Version},
	}}}
}

// cutTag splits IMAGE:TAG.
func cutTag(reference string) (image, tag string, found bool) {
	at := strings.LastIndex(reference, ":")
	if at < 0 {
		return "", reference, false
	}
	return reference[:at], reference[at+1:], true
}
