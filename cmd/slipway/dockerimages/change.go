package dockerimages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// Tag gives an image another name.
func (s *Store) Tag(ctx context.Context, image, name string) error {
	tag, err := ParseTag(name)
	if err != nil {
		return &OptionError{Problem: err.Error()}
	}
	return s.Update(ctx, func(state *State) error {
		found, err := state.Find("image", image)
		if err != nil {
			return err
		}
		state.Tag(found.ID, tag, found.found(image))
		return nil
	})
}

// Remove forgets names, and images that have no name left, and writes what docker rmi
// writes. Nothing is removed from builders and registries. What is not known is told to
// note: a job that cleans up has nothing to clean.
func (s *Store) Remove(ctx context.Context, w io.Writer, names []string, note func(string)) error {
	var lines []string
	err := s.Update(ctx, func(state *State) error {
		for _, name := range names {
			image, err := state.Find("image", name)
			if unknown := (*UnknownError)(nil); errors.As(err, &unknown) {
				note(unknown.Error() + ": there is nothing to remove")
				continue
			}
			if err != nil {
				return err
			}
			lines = append(lines, state.remove(image, name)...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeLines(w, lines)
}

// remove removes what a name means, an image with all its names where it is no name.
func (st *State) remove(image Image, name string) []string {
	tags := image.Tags
	if named, err := reference.ParseNormalizedNamed(name); err == nil {
		if full := reference.TagNameOnly(named).String(); slices.Contains(tags, full) {
			tags = []string{full}
		}
	}
	var lines []string
	for _, tag := range tags {
		lines = append(lines, "Untagged: "+familiar(tag))
	}
	st.untag(tags...)
	i := st.index(image.ID)
	if len(st.Images[i].Tags) == 0 {
		lines = append(lines, "Deleted: "+image.ID.String())
		st.Images = slices.Delete(st.Images, i, i+1)
	}
	return lines
}

// Prune forgets images without names, all images with all, and writes what docker image
// prune writes.
func (s *Store) Prune(ctx context.Context, w io.Writer, all bool) error {
	var lines []string
	err := s.Update(ctx, func(state *State) error {
		state.Images = slices.DeleteFunc(state.Images, func(image Image) bool {
			if len(image.Tags) > 0 && !all {
				return false
			}
			for _, tag := range image.Tags {
				lines = append(lines, "untagged: "+familiar(tag))
			}
			lines = append(lines, "deleted: "+image.ID.String())
			return true
		})
		return nil
	})
	if err != nil {
		return err
	}
	if len(lines) > 0 {
		lines = slices.Concat([]string{"Deleted Images:"}, lines, []string{""})
	}
	return writeLines(w, append(lines, "Total reclaimed space: 0B"))
}

func writeLines(w io.Writer, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
