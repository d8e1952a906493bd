package output

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/remote"
)

// checkImage finds mistakes in a type=image or type=registry output.
func checkImage(o Output) (problem, hint string) {
	if o.Dest != "" {
		return fmt.Sprintf("type=%s writes nothing on the agent, it has no dest", o.Type), "for files there are type=oci, type=docker and type=local"
	}
	if problem, hint := checkAttrs(o, imageAttributes, pushAttributes); problem != "" {
		return problem, hint
	}
	if isTrue(o.Attrs, attrPushByDigest) {
		if name := firstTagged(o.Attrs[attrName]); name != "" {
			return fmt.Sprintf("%s=true pushes without tags, but there is %s", attrPushByDigest, name), "leave the tag out of the name"
		}
	}
	return checkImageAttrs(o)
}

// firstTagged returns the first of some names that has a tag or digest.
func firstTagged(names string) string {
	for name := range strings.SplitSeq(names, ",") {
		if named, err := reference.ParseNormalizedNamed(name); err == nil && !reference.IsNameOnly(named) {
			return name
		}
	}
	return ""
}

// openImage opens an output that stays on the builder or is pushed.
func openImage(_ context.Context, o Output, env Env) (sink, *fault.Usage) {
	if o.Type == exporterRegistry {
		o = pushed(o)
	}
	i := &imageOutput{output: o, env: env, push: isTrue(o.Attrs, attrPush)}
	if i.push && o.Attrs[attrName] == "" {
		return nil, o.mistake("an image without a name cannot be pushed", "name it: --tag REPOSITORY:TAG")
	}
	return i, nil
}

// InsecureRegistries are the hosts to which outputs push with
// registry.insecure=true: over plain HTTP, or TLS that nobody vouches for.
// Tags are those of the request, which become the names of all images.
func InsecureRegistries(tags []string, outputs []Output) []string {
	var hosts []string
	for _, o := range outputs {
		if o.Type != client.ExporterImage && o.Type != exporterRegistry || !isTrue(o.Attrs, "registry.insecure") {
			continue
		}
		names := tags
		if len(names) == 0 {
			names = strings.Split(o.Attrs[attrName], ",")
		}
		for _, name := range names {
			if named, err := reference.ParseNormalizedNamed(name); err == nil {
				hosts = append(hosts, reference.Domain(named))
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// PushedNames are the names that outputs push. Tags are as those of InsecureRegistries.
func PushedNames(tags []string, outputs []Output) []string {
	var names []string
	for _, o := range outputs {
		switch {
		case o.Type != exporterRegistry && (o.Type != client.ExporterImage || !isTrue(o.Attrs, attrPush)):
		case len(tags) > 0:
			return tags
		default:
			names = append(names, strings.Split(o.Attrs[attrName], ",")...)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// imageOutput is the sink of type=image. One solve is BuildKit's business
// alone. Several push by digest, and what they have pushed becomes one image
// with the names at the end.
type imageOutput struct {
	output Output
	env    Env
	push   bool

	mu     sync.Mutex
	merges bool
	images []received
	index  *imageindex.Manifest // when it has been pushed, by digest
}

func (i *imageOutput) traits() traits { return traits{turn: turnTag} }

// together reports whether solves push by digest, and the agent tags what comes of it:
// several that push one image, and one whose result is looked at first.
func (i *imageOutput) together(of job.Job) bool { return i.push && (of.Several() || i.env.TagLast) }

func (i *imageOutput) entry(of job.Job) (client.ExportEntry, error) {
	attrs, err := imageAttrs(i.output, of)
	if err != nil {
		return client.ExportEntry{}, err
	}
	if i.together(of) {
		if attrs[attrName] == anyName {
			return client.ExportEntry{}, i.output.mistake("a build on several nodes cannot take the name from the frontend", "name the image: --tag REPOSITORY:TAG")
		}
		attrs[attrName] = strings.Join(repositories(attrs[attrName]), ",")
		attrs[attrPushByDigest] = "true"
		delete(attrs, attrNameCanonical)
	}
	entry := client.ExportEntry{Type: client.ExporterImage, Attrs: attrs}
	setOCIArtifact(entry, i.env)
	return entry, nil
}

func (i *imageOutput) begin(of job.Job) (receiver, error) {
	entry, err := i.entry(of)
	if err != nil {
		return receiver{}, err
	}
	merges := i.together(of)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.merges = i.merges || merges && of.Several()
	end := func(response map[string]string, keep bool) error {
		if !keep || !merges {
			return nil
		}
		text := response[exptypes.ExporterImageDescriptorKey]
		if text == "" {
			return fmt.Errorf("output %s: %s has not said which image it has pushed; is its BuildKit older than v0.10?", i.output, of.Node)
		}
		root, err := parseDescriptor(text)
		if err != nil {
			return fmt.Errorf("output %s: %w", i.output, err)
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		i.images = append(i.images, received{of.Place(), root})
		return nil
	}
	// It writes nothing on the agent that could fail there.
	return receiver{entry: entry, failed: func() error { return nil }, end: end}, nil
}

// seal pushes the image of all platforms, which nothing refers to yet.
func (i *imageOutput) seal(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.images) == 0 {
		return nil
	}
	if i.env.Registry == nil {
		return errors.New("several nodes have pushed an image, and there is no registry client to make it one")
	}
	slices.SortFunc(i.images, func(x, y received) int { return x.job - y.job })
	repos := repositories(i.output.Attrs[attrName])
	sources := make([]imageindex.Manifest, len(i.images))
	for n, img := range i.images {
		m, err := i.env.Registry.Fetch(ctx, repos[0], withoutAnnotations(img.root))
		if err != nil {
			return publishError(ctx, &unreadableError{fmt.Errorf("fetch the image of a platform from %s: %w", repos[0], err)})
		}
		sources[n] = m
	}
	if len(sources) == 1 && !sources[0].IsIndex() { // the only platform, which is there already
		i.index = &sources[0]
		return nil
	}
	index, err := imageindex.Assemble(sources, annotationsAt(i.output, imageindex.LevelIndex))
	if err != nil {
		return fmt.Errorf("output %s: %w", i.output, err)
	}
	for _, repo := range repos {
		if err := i.env.Registry.Push(ctx, repo, index); err != nil {
			return publishError(ctx, fmt.Errorf("push the image index to %s: %w", repo, err))
		}
	}
	i.index = &index
	return nil
}

// commit moves the tags.
func (i *imageOutput) commit(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.index == nil {
		return nil
	}
	for _, name := range i.tags() {
		if err := i.env.Registry.Tag(ctx, name, *i.index); err != nil {
			return publishError(ctx, fmt.Errorf("tag %s: %w", name, err))
		}
	}
	return nil
}

// tags are the references that commit moves.
func (i *imageOutput) tags() []string {
	if isTrue(i.output.Attrs, attrPushByDigest) {
		return nil
	}
	return normalizedNames(i.output.Attrs[attrName])
}

func (i *imageOutput) close() error { return nil }

func (i *imageOutput) written() Written {
	w := Written{Type: i.output.Type, Pushed: i.push}
	if name := i.output.Attrs[attrName]; name != anyName { // that is for the frontend to give
		w.Names = normalizedNames(name)
	}
	return w
}

// publishes returns what commit will tag that several nodes have pushed.
func (i *imageOutput) publishes() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.merges {
		return nil
	}
	return i.tags()
}

// published implements publisher.
func (i *imageOutput) published() (published, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.index == nil {
		return published{}, false
	}
	desc := i.index.Descriptor
	for _, a := range annotationsAt(i.output, imageindex.LevelIndexDescriptor) {
		desc.Annotations = maps.Clone(desc.Annotations)
		if desc.Annotations == nil {
			desc.Annotations = map[string]string{}
		}
		desc.Annotations[a.Key] = a.Value
	}
	return published{descriptor: &desc, index: *i.index, names: i.tags()}, true
}

// publishError is a failure of the registry, or the caller's cancellation.
func publishError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &buildkit.CancelledError{Cause: context.Cause(ctx)}
	}
	return &RegistryError{err}
}

// unreadableError is an image that a builder has pushed and that cannot be read
// back.
type unreadableError struct{ err error }

func (e *unreadableError) Error() string { return e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }

// Hints says what to do about the error: a credential that could push is not
// wrong.
func (e *unreadableError) Hints() []string {
	var known *remote.Error
	if !errors.As(e.err, &known) {
		return nil
	}
	if known.Status == http.StatusUnauthorized || known.Status == http.StatusForbidden {
		if known.Source == "" || known.Source == "anonymous" { // the builders had one: that of slipway agent
			return append([]string{"slipway itself reads back what several nodes have pushed, to make one image of it, and needs a credential for that; a build on one node needs none"}, known.Hints()...)
		}
		return []string{"what several nodes have pushed is read back to make one image of it: the credential needs the right to pull as well as to push"}
	}
	return known.Hints()
}

// RegistryError is a registry that refused what the agent asked for.
type RegistryError struct {
	// Err is the refusal.
	Err error
}

// Error implements error.
func (e *RegistryError) Error() string { return e.Err.Error() }

// Unwrap returns the refusal.
func (e *RegistryError) Unwrap() error { return e.Err }

// checkSameImage fails when several outputs push different images of one build in
// several parts: BuildKit's answer describes the last of them only.
func checkSameImage(sinks []sink) error {
	var first *imageOutput
	for _, s := range sinks {
		i, ok := s.(*imageOutput)
		if !ok || !i.push {
			continue
		}
		if first == nil {
			first = i
			continue
		}
		if !maps.Equal(contentAttrs(first.output), contentAttrs(i.output)) {
			return i.output.mistake("two outputs push different images, which a build on several nodes cannot do",
				"push one image under all names, or build twice")
		}
	}
	return nil
}

// contentAttrs are the attributes that decide what an image is.
func contentAttrs(o Output) map[string]string {
	attrs := maps.Clone(o.Attrs)
	for _, a := range pushAttributes {
		delete(attrs, a.name)
	}
	delete(attrs, attrName)
	return attrs
}

// repositories are the repositories of some names, normalized, each once.
func repositories(names string) []string {
	var out []string
	for _, name := range normalizedNames(names) {
		if named, err := reference.ParseNormalizedNamed(name); err == nil {
			out = append(out, named.Name())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// normalizedNames are names of an image in full, each with a tag. Names have
// been checked; the one that stands for the frontend's is left out.
func normalizedNames(names string) []string {
	var out []string
	for name := range strings.SplitSeq(names, ",") {
		if named, err := reference.ParseNormalizedNamed(name); err == nil {
			out = append(out, reference.TagNameOnly(named).String())
		}
	}
	return out
}
