package dockerimages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// Registry is what the commands ask of registries.
type Registry interface {
	// Resolve returns the manifest or index behind a reference.
	Resolve(ctx context.Context, ref string) (imageindex.Manifest, error)
	// Manifest returns a manifest or index of a repository.
	Manifest(ctx context.Context, repository string, d digest.Digest) (imageindex.Manifest, error)
	// Blob reads a blob of a repository up to a limit.
	Blob(ctx context.Context, repository string, desc ocispecs.Descriptor, limit int64) ([]byte, error)
	// Fetch returns a manifest, an image with its platform.
	Fetch(ctx context.Context, repository string, desc ocispecs.Descriptor) (imageindex.Manifest, error)
	// Push uploads a manifest or index under its digest.
	Push(ctx context.Context, repository string, m imageindex.Manifest) error
	// Tag makes a reference point at a manifest of its repository.
	Tag(ctx context.Context, ref string, m imageindex.Manifest) error
	// Copy copies a manifest or index with all that it refers to.
	Copy(ctx context.Context, from string, desc ocispecs.Descriptor, to string) error
}

// List is a manifest list that docker manifest create has begun.
type List struct {
	Members []Member `json:"members"`
}

// Member is an image of a list.
type Member struct {
	// Reference is how it was named, normalized.
	Reference string `json:"reference"`
	// Repository has it.
	Repository string `json:"repository"`
	// Descriptor describes it, with its platform.
	Descriptor ocispecs.Descriptor `json:"descriptor"`
}

// CreateList begins a manifest list, or adds to one, of images in registries. It returns
// the normalized name.
func (s *Store) CreateList(ctx context.Context, r Registry, name string, images []string, amend bool) (string, error) {
	full, err := ParseTag(name)
	if err != nil {
		return "", &OptionError{Problem: err.Error()}
	}
	state, err := s.Read()
	if err != nil {
		return "", err
	}
	exists := &OptionError{Problem: fmt.Sprintf("refusing to amend an existing manifest list with no --amend flag: %s", familiar(full)), Advice: "docker manifest rm " + familiar(full) + " forgets it"}
	if _, ok := state.Lists[full]; ok && !amend {
		return "", exists
	}
	var members []Member
	for _, image := range images {
		found, err := findMembers(ctx, r, image)
		if err != nil {
			return "", err
		}
		members = append(members, found...)
	}
	return full, s.Update(ctx, func(state *State) error {
		list, ok := state.Lists[full]
		if ok && !amend {
			return exists
		}
		if state.Lists == nil {
			state.Lists = map[string]List{}
		}
		for _, member := range members {
			list.Members = slices.DeleteFunc(list.Members, func(old Member) bool {
				return old.Reference == member.Reference && old.Descriptor.Digest == member.Descriptor.Digest
			})
			list.Members = append(list.Members, member)
		}
		state.Lists[full] = list
		return nil
	})
}

// findMembers asks the registry for an image, or for the images of an index.
func findMembers(ctx context.Context, r Registry, image string) ([]Member, error) {
	ref, repository, err := parseReference(image)
	if err != nil {
		return nil, err
	}
	m, err := r.Resolve(ctx, ref)
	if err != nil {
		return nil, explainAbsent(err, image)
	}
	if !m.IsIndex() {
		if m, err = r.Fetch(ctx, repository, m.Descriptor); err != nil {
			return nil, err
		}
	}
	list, err := imageindex.Members(m)
	if err != nil {
		return nil, err
	}
	members := make([]Member, len(list))
	for i, desc := range list {
		members[i] = Member{Reference: ref, Repository: repository, Descriptor: desc}
	}
	return members, nil
}

// parseReference parses the name of an image in a registry: with a tag, which is latest
// where none is given, or a digest.
func parseReference(name string) (ref, repository string, err error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", "", &OptionError{Problem: fmt.Sprintf("%q is not a valid image name: %s", name, err)}
	}
	return reference.TagNameOnly(named).String(), named.Name(), nil
}

// AbsentError is an image that its registry does not have.
type AbsentError struct {
	Name string
	Err  error
}

// Error implements error. The words are those of docker, which scripts look for.
func (e *AbsentError) Error() string {
	return fmt.Sprintf("manifest for %s not found: manifest unknown", e.Name)
}

// Unwrap returns the registry's answer.
func (e *AbsentError) Unwrap() error { return e.Err }

// explainAbsent gives the answer of a registry that does not have an image docker's words.
func explainAbsent(err error, name string) error {
	if isAbsent(err) {
		return &AbsentError{Name: name, Err: err}
	}
	return err
}

func isAbsent(err error) bool {
	known := (*remote.Error)(nil)
	return errors.As(err, &known) && known.Status == http.StatusNotFound
}

// Annotation is what docker manifest annotate says of an image of a list. Empty fields
// change nothing.
type Annotation struct {
	OS, Arch, Variant, OSVersion string
	OSFeatures                   []string
}

// AnnotateList changes the platform of an image of a list.
func (s *Store) AnnotateList(ctx context.Context, name, image string, a Annotation) error {
	ref, _, err := parseReference(image)
	if err != nil {
		return err
	}
	return s.changeList(ctx, name, func(list *List) error {
		changed := false
		for i := range list.Members {
			if list.Members[i].Reference == ref {
				platform := ocispecs.Platform{}
				if known := list.Members[i].Descriptor.Platform; known != nil {
					platform = *known
				}
				a.change(&platform)
				list.Members[i].Descriptor.Platform = &platform
				changed = true
			}
		}
		if !changed {
			return &OptionError{Problem: fmt.Sprintf("manifest for image %s does not exist in %s", image, name), Advice: "docker manifest create --amend " + name + " " + image + " adds it"}
		}
		return nil
	})
}

func (a Annotation) change(p *ocispecs.Platform) {
	for _, field := range []struct {
		to    *string
		value string
	}{{&p.OS, a.OS}, {&p.Architecture, a.Arch}, {&p.Variant, a.Variant}, {&p.OSVersion, a.OSVersion}} {
		if field.value != "" {
			*field.to = field.value
		}
	}
	if len(a.OSFeatures) > 0 {
		p.OSFeatures = a.OSFeatures
	}
}

// changeList changes a list that exists.
func (s *Store) changeList(ctx context.Context, name string, change func(*List) error) error {
	full, err := ParseTag(name)
	if err != nil {
		return &OptionError{Problem: err.Error()}
	}
	return s.Update(ctx, func(state *State) error {
		list, ok := state.Lists[full]
		if !ok {
			return state.noList(name)
		}
		if err := change(&list); err != nil {
			return err
		}
		state.Lists[full] = list
		return nil
	})
}

// noList is the error about a list that was not begun.
func (st *State) noList(name string) error {
	e := &OptionError{Problem: "No such manifest: " + name, Advice: "docker manifest create " + name + " IMAGE… begins it; none was begun in this job"}
	if len(st.Lists) > 0 {
		e.Advice = "there are " + fmt.Sprint(st.listNames())
	}
	return e
}

// RemoveLists forgets lists.
func (s *Store) RemoveLists(ctx context.Context, names []string) error {
	return s.Update(ctx, func(state *State) error {
		for _, name := range names {
			full, err := ParseTag(name)
			if err != nil {
				return &OptionError{Problem: err.Error()}
			}
			if _, ok := state.Lists[full]; !ok {
				return state.noList(name)
			}
			delete(state.Lists, full)
		}
		return nil
	})
}

// PushList pushes a list with the images that it refers to, and returns what was pushed.
// With purge it is forgotten then.
func (s *Store) PushList(ctx context.Context, r Registry, name string, purge bool) (ocispecs.Descriptor, error) {
	full, err := ParseTag(name)
	if err != nil {
		return ocispecs.Descriptor{}, &OptionError{Problem: err.Error()}
	}
	state, err := s.Read()
	if err != nil {
		return ocispecs.Descriptor{}, err
	}
	list, ok := state.Lists[full]
	if !ok {
		return ocispecs.Descriptor{}, state.noList(name)
	}
	index, err := list.assemble()
	if err != nil {
		return ocispecs.Descriptor{}, err
	}
	repository, _ := split(full)
	for _, member := range list.Members {
		if err := r.Copy(ctx, member.Repository, member.Descriptor, repository); err != nil {
			return ocispecs.Descriptor{}, err
		}
	}
	if err := r.Push(ctx, repository, index); err != nil {
		return ocispecs.Descriptor{}, err
	}
	if err := r.Tag(ctx, full, index); err != nil {
		return ocispecs.Descriptor{}, err
	}
	if purge {
		err = s.RemoveLists(ctx, []string{name})
	}
	return index.Descriptor, err
}

// assemble makes the index of a list.
func (l List) assemble() (imageindex.Manifest, error) {
	sources := make([]imageindex.Manifest, len(l.Members))
	for i, member := range l.Members {
		sources[i] = imageindex.Manifest{Descriptor: member.Descriptor}
	}
	return imageindex.Assemble(sources, nil)
}

// InspectList writes a list that was begun, else the manifest or index of an image in its
// registry; verbose with its descriptor.
func (s *Store) InspectList(ctx context.Context, w io.Writer, r Registry, name string, verbose bool) error {
	ref, repository, err := parseReference(name)
	if err != nil {
		return err
	}
	state, err := s.Read()
	if err != nil {
		return err
	}
	list, begun := state.Lists[ref]
	var m imageindex.Manifest
	if begun {
		m, err = list.assemble()
	} else if m, err = r.Resolve(ctx, ref); isAbsent(err) {
		return &OptionError{Problem: "no such manifest: " + name}
	}
	if err != nil {
		return err
	}
	if !verbose {
		return writeIndented(w, m.Content)
	}
	if !begun && !m.IsIndex() {
		if m, err = r.Fetch(ctx, repository, m.Descriptor); err != nil {
			return err
		}
	}
	type entry struct {
		Ref        string
		Descriptor ocispecs.Descriptor
		Raw        []byte
		Manifest   json.RawMessage
	}
	content, err := json.Marshal(entry{Ref: ref, Descriptor: m.Descriptor, Raw: m.Content, Manifest: m.Content})
	if err != nil {
		return err
	}
	return writeIndented(w, content)
}

// writeIndented writes JSON as docker manifest inspect does.
func writeIndented(w io.Writer, content []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(content), "", "\t"); err != nil {
		return fmt.Errorf("the registry's manifest is not valid: %w", err)
	}
	out.WriteByte('\n')
	_, err := w.Write(out.Bytes())
	return err
}

var _ Registry = (*remote.Client)(nil)
