package output

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Outcome is what a build has published as a whole.
type Outcome struct {
	// Descriptor is the image, of all platforms; nil when no output is one.
	Descriptor *ocispecs.Descriptor
	// ConfigDigest is the image's config; empty for an image of several
	// platforms, each of which has its own.
	ConfigDigest string
	// Names are the image's names, normalized where the agent has given them.
	Names []string
	// Platforms are the images of the index that was put together on the
	// agent, by platform ("linux/amd64"); empty when one node built all.
	Platforms map[string]ocispecs.Descriptor
}

// published is an image that was put together on the agent.
type published struct {
	descriptor *ocispecs.Descriptor
	index      imageindex.Manifest
	names      []string
}

// publisher is a sink that puts images together.
type publisher interface {
	// published returns the image, once seal has made it.
	published() (published, bool)
}

// Set is the outputs of one build. It serves any number of solves.
type Set struct {
	sinks    []sink
	warnings []string
	unused   string

	mu      sync.Mutex
	answers []answer // of the solves that count
	sealed  bool
}

// answer is what the daemon has said of the result of a solve.
type answer struct {
	response   map[string]string
	descriptor *ocispecs.Descriptor
}

// Open checks the destinations of outputs, without leaving a trace. All mistakes
// that can be found are returned at once. Close must be called whatever happens.
func Open(ctx context.Context, outputs []Output, env Env) (*Set, fault.UsageList) {
	s := &Set{}
	var mistakes fault.UsageList
	mistakes.Add(checkNoDefaultOCIArtifact(env))
	seen := map[string]bool{}
	images := false
	for _, o := range outputs {
		opened, image, problem := open(ctx, o, env)
		images = images || image
		if kind, ok := findOutputType(o.Type); ok {
			s.warnings = append(s.warnings, ignoredAttrs(o, kind)...)
		}
		if problem != nil || opened == nil {
			mistakes.Add(problem)
			continue
		}
		if place := opened.traits().place; place != "" && seen[place] {
			mistakes.Add(&fault.Usage{Flag: "--output", Value: cmp.Or("dest="+o.Dest, place), Problem: "is given twice"})
			continue
		} else if place != "" {
			seen[place] = true
		}
		s.sinks = append(s.sinks, opened)
	}
	if len(env.Annotations) > 0 && len(outputs) == 0 {
		s.warnings = append(s.warnings, "--annotation has no effect: no output is an image")
	} else if len(env.Annotations) > 0 && !images {
		mistakes.Add(&fault.Usage{Flag: "--annotation", Problem: "no output is an image", Hint: "annotations go to type=registry, image, oci and docker"})
	}
	if len(outputs) == 0 {
		s.unused = noOutput(env.Tags)
	}
	return s, mistakes
}

// open opens one output with what other flags say of it. Its attributes are
// checked again: not all outputs come from Parse.
func open(ctx context.Context, o Output, env Env) (opened sink, image bool, problem *fault.Usage) {
	kind, ok := findOutputType(o.Type)
	if !ok {
		return nil, false, o.mistake("is not supported", "there are "+outputTypeNames())
	}
	if kind.image {
		o = env.complete(o)
	}
	if problem, hint := kind.check(o); problem != "" {
		return nil, kind.image, o.mistake(problem, hint)
	}
	if problem := checkAnnotations(o); problem != nil {
		return nil, kind.image, problem
	}
	opened, problem = kind.open(ctx, o, env)
	return opened, kind.image, problem
}

// Warnings are things that work but are probably not meant, one line each.
func (s *Set) Warnings() []string { return s.warnings }

// Unused says, in a line, that nothing comes of a build that has succeeded but what
// its builders keep; empty where there is an output. A build that fails has other
// news.
func (s *Set) Unused() string { return s.unused }

// noOutput is the line for a build without outputs. Tags are the names that its
// image would have.
func noOutput(tags []string) string {
	line := "no --output: the result stays in the cache of the builder; -o DIR writes it to files, --push pushes it, --load loads it into a Docker engine"
	if len(tags) > 0 {
		line += "; without one of them --tag " + strings.Join(tags, ", ") + " has no effect"
	}
	return line
}

// Close removes what was not committed. A nil Set has nothing.
func (s *Set) Close() error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, one := range s.sinks {
		errs = append(errs, one.close())
	}
	return errors.Join(errs...)
}

// Entries are what BuildKit is asked for in one solve, to be shown: OutputDir is
// where the result goes on the agent. Nothing is opened for it.
func (s *Set) Entries(of job.Job) ([]client.ExportEntry, error) {
	var entries []client.ExportEntry
	for _, one := range s.sinks {
		entry, err := one.entry(of)
		if err != nil {
			return nil, err
		}
		entry.OutputDir = one.traits().place
		entries = append(entries, entry)
	}
	return entries, nil
}

// Seal makes the outputs ready: it merges what several nodes have sent and
// pushes merged images by digest. Nothing has appeared yet when it fails. It
// is called once all solves have succeeded.
func (s *Set) Seal(ctx context.Context) error {
	for _, one := range s.ordered() {
		if err := one.seal(ctx); err != nil {
			return fault.ExplainAgent(err)
		}
	}
	s.sealed = true
	return nil
}

// Commit makes the outputs appear, each whole: files by a rename, then the
// tags of pushed images. Seal must have succeeded.
func (s *Set) Commit(ctx context.Context) (*Outcome, error) {
	if !s.sealed {
		return nil, errors.New("the outputs are not sealed")
	}
	for _, one := range s.ordered() {
		if ctx.Err() != nil {
			return nil, &buildkit.CancelledError{Cause: context.Cause(ctx)}
		}
		if err := one.commit(ctx); err != nil {
			return nil, fault.ExplainAgent(err)
		}
	}
	return s.outcome(), nil
}

// ordered are the sinks in the order in which they are committed.
func (s *Set) ordered() []sink {
	list := slices.Clone(s.sinks)
	slices.SortStableFunc(list, func(a, b sink) int { return cmp.Compare(a.traits().turn, b.traits().turn) })
	return list
}

// outcome prefers an image that was pushed to one in a file, as the last sink
// in the order of commits.
func (s *Set) outcome() *Outcome {
	o := &Outcome{}
	for _, one := range s.ordered() {
		if maker, ok := one.(publisher); ok {
			if image, ok := maker.published(); ok {
				o.Descriptor, o.Names, o.Platforms = image.descriptor, image.names, image.index.Platforms()
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.Descriptor == nil && len(s.answers) == 1 {
		a := s.answers[0]
		o.Descriptor = a.descriptor
		o.ConfigDigest = a.response[exptypes.ExporterImageConfigDigestKey]
		if names := a.response[exptypes.ExporterImageNameKey]; names != "" {
			o.Names = strings.Split(names, ",")
		}
	}
	return o
}

// Publishes are the references that Commit tags through Env.Registry,
// known once the first solve has begun: none when one node builds all.
func (s *Set) Publishes() []string {
	var names []string
	for _, one := range s.sinks {
		if i, ok := one.(*imageOutput); ok {
			names = append(names, i.publishes()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
