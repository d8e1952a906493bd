package dockerimages

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
)

// Export makes the builders push an image that they hold under names of one repository,
// and returns what was pushed. Nothing is tagged that is another image.
type Export func(ctx context.Context, image Image, names []string) (ocispecs.Descriptor, error)

// PushOptions are the flags of docker push.
type PushOptions struct {
	// AllTags pushes all names of a repository.
	AllTags bool
	// Quiet writes the pushed names only.
	Quiet bool
	// Platform is the one image of several that is pushed; empty for all.
	Platform string
}

// NotBuiltError is a name that no image has that could be pushed.
type NotBuiltError struct {
	Name  string
	Known []string
}

// Error implements error. The words are those of docker, which scripts look for.
func (e *NotBuiltError) Error() string {
	return "An image does not exist locally with the tag: " + e.Name
}

// Hints says what to do about the error.
func (e *NotBuiltError) Hints() []string {
	return (&UnknownError{Name: e.Name, Known: e.Known}).Hints()
}

// Push pushes the image with a name, or all names of a repository. An image that a
// repository has is only tagged there, one that another repository has is copied, and
// builders push what no registry has.
func (s *Store) Push(ctx context.Context, w io.Writer, r Registry, export Export, name string, o PushOptions) error {
	names, err := s.namesToPush(name, o)
	if err != nil {
		return err
	}
	repository, _ := split(names[0])
	if !o.Quiet {
		if _, err := fmt.Fprintf(w, "The push refers to repository [%s]\n", repository); err != nil {
			return err
		}
	}
	for _, full := range names {
		pushed, err := s.push(ctx, r, export, full, o.Platform)
		if err != nil {
			return err
		}
		_, tag := split(full)
		if o.Quiet {
			_, err = fmt.Fprintln(w, full)
		} else {
			_, err = fmt.Fprintf(w, "%s: digest: %s size: %d\n", tag, pushed.Digest, pushed.Size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// namesToPush are the names that docker push NAME means.
func (s *Store) namesToPush(name string, o PushOptions) ([]string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, &OptionError{Problem: fmt.Sprintf("%q is not a valid image name: %s", name, err)}
	}
	if _, digested := named.(reference.Digested); digested {
		return nil, &OptionError{Problem: "cannot push a digest reference"}
	}
	if o.AllTags && !reference.IsNameOnly(named) {
		return nil, &OptionError{Problem: "tag can't be used with --all-tags/-a"}
	}
	state, err := s.Read()
	if err != nil {
		return nil, err
	}
	full := reference.TagNameOnly(named).String()
	var names []string
	for _, image := range state.Images {
		for _, tag := range image.Tags {
			if repository, _ := split(tag); tag == full || o.AllTags && repository == named.Name() {
				names = append(names, tag)
			}
		}
	}
	if len(names) == 0 {
		return nil, &NotBuiltError{Name: familiar(full), Known: state.familiarTags()}
	}
	slices.Sort(names)
	return names, nil
}

// push pushes one name.
func (s *Store) push(ctx context.Context, r Registry, export Export, name, platform string) (ocispecs.Descriptor, error) {
	state, err := s.Read()
	if err != nil {
		return ocispecs.Descriptor{}, err
	}
	image, err := state.Find("image", name)
	if err != nil {
		return ocispecs.Descriptor{}, err
	}
	id := image.ID
	image = image.as(name)
	partly := false
	if platform != "" {
		if image, partly, err = image.only(platform); err != nil {
			return ocispecs.Descriptor{}, err
		}
	}
	desc, done, err := tagged(ctx, r, image, name)
	if err != nil {
		return desc, err
	}
	if !done {
		if image.Builder == "" {
			return desc, &OptionError{Problem: fmt.Sprintf("image %s is in no registry any more", image.ID)}
		}
		if desc, err = export(ctx, image, []string{name}); err != nil {
			return desc, err
		}
	}
	if partly { // the image itself is not there
		return desc, nil
	}
	repository, _ := split(name)
	return desc, s.Update(ctx, func(state *State) error {
		state.Pushed(id, Place{Repository: repository, Descriptor: desc})
		return nil
	})
}

// only is the image of one platform; partly says that there are others.
func (i Image) only(platform string) (one Image, partly bool, err error) {
	for _, part := range i.Parts {
		if !part.matches(platform) {
			continue
		}
		partly = len(i.Parts) > 1
		var places []Place
		for _, place := range i.Registries {
			// The images of an index are in its repository.
			partly = partly || place.Descriptor.Digest != part.Manifest.Digest
			places = append(places, Place{place.Repository, part.Manifest})
		}
		i.ID, i.Parts, i.Registries = part.Config, []Part{part}, places
		return i, partly, nil
	}
	return Image{}, false, &OptionError{Problem: fmt.Sprintf("image %s has no platform %s", i.ID, platform)}
}

// tagged tags an image in its repository where that or another one has it; done is false
// where none has.
func tagged(ctx context.Context, r Registry, image Image, name string) (desc ocispecs.Descriptor, done bool, err error) {
	repository, _ := split(name)
	places := slices.Clone(image.Registries)
	slices.SortStableFunc(places, func(a, b Place) int { return a.distance(repository) - b.distance(repository) })
	for _, place := range places {
		if image.Builder != "" && place.distance(repository) > 1 {
			break // its builders are nearer
		}
		m, err := r.Manifest(ctx, place.Repository, place.Descriptor.Digest)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return desc, false, err
		}
		if err := r.Copy(ctx, place.Repository, m.Descriptor, repository); err != nil {
			return desc, false, err
		}
		return m.Descriptor, true, r.Tag(ctx, name, m)
	}
	return desc, false, nil
}

// distance is how far an image has to go to a repository: 0 if it is there, 1 within a
// registry, else 2.
func (p Place) distance(repository string) int {
	switch {
	case p.Repository == repository:
		return 0
	case domain(p.Repository) == domain(repository):
		return 1
	}
	return 2
}

func domain(repository string) string {
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}

// PullOptions are the flags of docker pull.
type PullOptions struct {
	Quiet bool
	// Platform is the image of several that docker inspect shows.
	Platform string
	// OS and Arch are those of the agent.
	OS, Arch string
}

// Pull looks for an image in its registry and remembers it, so that it can be inspected,
// tagged and pushed elsewhere. Nothing but its manifest and configuration is downloaded.
func (s *Store) Pull(ctx context.Context, w io.Writer, r Registry, name string, o PullOptions, now time.Time) error {
	ref, repository, err := parseReference(name)
	if err != nil {
		return err
	}
	m, err := r.Resolve(ctx, ref)
	if err != nil {
		return explainAbsent(err, name)
	}
	image, blobs, err := describe(ctx, r, repository, m, o)
	if err != nil {
		return err
	}
	image.Kept = now
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return err
	}
	_, byDigest := named.(reference.Digested)
	if !byDigest {
		image.Tags = []string{ref}
		image.find(ref, m.Descriptor.Digest)
	}
	err = s.Update(ctx, func(state *State) error {
		for _, blob := range blobs {
			if err := s.PutBlob(ctx, blob); err != nil {
				return err
			}
		}
		state.Add(image)
		return nil
	})
	if err != nil {
		return err
	}
	if o.Quiet {
		_, err = fmt.Fprintln(w, ref)
		return err
	}
	_, tag := split(ref)
	if byDigest {
		tag = repository + "@" + m.Descriptor.Digest.String()
	}
	_, err = fmt.Fprintf(w, "%s: Pulling from %s\nDigest: %s\nStatus: Image is in the registry, and stays there: no engine needs a copy of %s\n%s\n", tag, reference.Path(named), m.Descriptor.Digest, familiar(ref), ref)
	return err
}

// describe reads what is kept of an image in a registry: its manifest, its configuration
// and the ID.
func describe(ctx context.Context, r Registry, repository string, m imageindex.Manifest, o PullOptions) (Image, [][]byte, error) {
	one := m
	if m.IsIndex() {
		list, err := imageindex.Members(m)
		if err != nil {
			return Image{}, nil, err
		}
		desc, err := choose(list, o)
		if err != nil {
			return Image{}, nil, err
		}
		if one, err = r.Manifest(ctx, repository, desc.Digest); err != nil {
			return Image{}, nil, err
		}
	}
	var manifest ocispecs.Manifest
	if err := json.Unmarshal(one.Content, &manifest); err != nil {
		return Image{}, nil, fmt.Errorf("the manifest of the image is not valid: %w", err)
	}
	config, err := r.Blob(ctx, repository, manifest.Config, imageindex.MaxManifest)
	if err != nil {
		return Image{}, nil, err
	}
	part := Part{Manifest: one.Descriptor, Config: digest.FromBytes(config)}
	if err := json.Unmarshal(config, &part.Platform); err != nil {
		return Image{}, nil, fmt.Errorf("the configuration of the image is not valid: %w", err)
	}
	if want := o.Platform; want != "" && !part.matches(want) {
		return Image{}, nil, &OptionError{Problem: fmt.Sprintf("the image is for %s and not for %s", part.name(), want)}
	}
	image := Image{ID: part.Config, Parts: []Part{part}, Registries: []Place{{repository, m.Descriptor}}, Pulled: []digest.Digest{m.Descriptor.Digest}}
	return image, [][]byte{one.Content, config}, nil
}
