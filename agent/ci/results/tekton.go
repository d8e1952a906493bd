package results

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/internal/target"
)

// tektonDir is where Tekton reads the results of a step.
const tektonDir = "/tekton/results"

// What the results of a step may take. They are passed on as JSON in the termination
// message of the container, in which Tekton has entries of its own.
//
//	https://tekton.dev/docs/pipelines/tasks/#emitting-results
const (
	maxTekton      = 4096
	tektonOwn      = 256
	tektonOverhead = len(`{"key":"","value":"","type":1},`)
)

// tekton writes the results of a Tekton step.
type tekton struct{ dir string }

// tektonNames are the results, the most important first. They are those that Tekton
// Chains looks for. https://tekton.dev/docs/chains/slsa-provenance/#type-hinting
var tektonNames = []string{"IMAGE_DIGEST", "IMAGE_URL", "IMAGES"}

// open implements teller.
func (t tekton) open(w *Writer) {
	var names []string
	for _, name := range tektonNames {
		names = append(names, filepath.Join(t.dir, name))
	}
	err := target.WritableDir(t.dir) // it is Tekton that makes it
	if err == nil {
		err = w.openFiles("", names)
	}
	if err != nil {
		w.warn(fmt.Sprintf("the results %s will not be written: %v", strings.Join(tektonNames, ", "), err))
	}
}

// tell implements teller.
func (t tekton) tell(ctx context.Context, w *Writer, r Results) error {
	files, left := tektonResults(r, maxTekton-tektonOwn-t.used())
	w.left("the results of Tekton", left)
	return w.writeFiles(ctx, t.dir, files)
}

// used is what other results take.
func (t tekton) used() int {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return 0
	}
	used := 0
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			used += int(min(info.Size(), maxTekton)) + len(entry.Name()) + tektonOverhead
		}
	}
	return used
}

// tektonResults are files with the results of an image that was pushed, without a line
// end, as far as there is room for them. It also returns what does not fit.
func tektonResults(r Results, room int) (files []file, left []string) {
	if r.Image == "" {
		return nil, nil
	}
	repository, _, _ := strings.Cut(r.Image, "@")
	url := repository
	var images []string
	for _, name := range r.pushed {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			continue
		}
		if url == repository && named.Name() == repository {
			url = named.String()
		}
		if image := reference.TrimNamed(named).Name() + "@" + r.Digest; len(images) == 0 || images[len(images)-1] != image {
			images = append(images, image)
		}
	}
	for i, value := range []string{r.Digest, url, strings.Join(images, ",")} {
		need := len(tektonNames[i]) + len(value) + tektonOverhead
		if value == "" || need > room {
			left = append(left, tooLarge(tektonNames[i], len(value), max(room-need+len(value), 0)))
			continue
		}
		room -= need
		files = append(files, file{tektonNames[i], []byte(value)})
	}
	return files, left
}

// argoNames are the files of argoFiles.
var argoNames = []string{"status", "digest", "image", "imageid", "tags"}

// argoFiles are files for output parameters of Argo Workflows, without a line end, one
// for each result.
func argoFiles(r Results) (files []file) {
	for _, one := range r.values("\n") {
		files = append(files, file{one.name, []byte(one.value)})
	}
	return files
}
