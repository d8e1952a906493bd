package solve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

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

// attempts are the shares of one solve in all outputs.
type attempts []attempt

// entries are what BuildKit is asked for.
func (a attempts) entries() []client.ExportEntry {
	entries := make([]client.ExportEntry, len(a))
	for i, one := range a {
		entries[i] = one.entry
	}
	return entries
}

// end ends all attempts. When one that should be kept cannot be, the others
// are ended all the same.
func (a attempts) end(response map[string]string, keep bool) error {
	var errs []error
	for _, one := range a {
		errs = append(errs, one.end(response, keep))
	}
	return errors.Join(errs...)
}

// blame finds out whether a solve that failed with err did so because the
// agent could not take its result: what the daemon says of that is a quote
// without the agent's words.
func (a attempts) blame(err error) error {
	for _, one := range a {
		if own := one.failed(); own != nil {
			return own
		}
	}
	if usage := (*UsageError)(nil); saysFull(err) && !full(err) && !errors.As(err, &usage) {
		return &builderFull{err}
	}
	return err
}

// begin opens the outputs for a solve. The attempts must be ended even if
// there is an error.
func (p *Plan) begin(job Job) (attempts, error) {
	var all attempts
	if job.Several() {
		if err := agreeable(p.sinks); err != nil {
			return nil, err
		}
	}
	for _, s := range p.sinks {
		one, err := s.begin(job)
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	// BuildKit's answer describes the last image that it made, and a pushed
	// one cannot be told from anything else.
	slices.SortStableFunc(all, func(a, b attempt) int { return rank(a.entry) - rank(b.entry) })
	return all, nil
}

func rank(e client.ExportEntry) int {
	switch {
	case e.Type != client.ExporterImage:
		return 0
	case !isTrue(e.Attrs, attrPush):
		return 1
	}
	return 2
}

// keep remembers what a solve that counts has answered.
func (p *Plan) keep(result *Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.results = append(p.results, result)
}

// check checks what the daemon's answer says of images, which others read in the
// metadata: digests are ones, and the names are those that were asked for.
func (r *Result) check(asked []client.ExportEntry) error {
	const what = "the builder's answer is not valid"
	for _, key := range []string{exptypes.ExporterImageDigestKey, exptypes.ExporterImageConfigDigestKey} {
		if text := r.Response[key]; text != "" {
			if _, err := digest.Parse(text); err != nil {
				return &builderFault{what, fmt.Errorf("%s %q: %w", key, text, err)}
			}
		}
	}
	var names []string
	for _, e := range asked {
		if e.Attrs[attrName] == anyName || e.Attrs[attrDanglingPrefix] != "" {
			return nil // the builder makes names
		}
		names = append(names, normalizedNames(e.Attrs[attrName])...)
	}
	for name := range strings.SplitSeq(r.Response[exptypes.ExporterImageNameKey], ",") {
		normal := normalizedNames(name)
		if name != "" && (len(normal) == 0 || !slices.Contains(names, normal[0])) {
			return &builderFault{what, fmt.Errorf("it names the image %q, which was not asked for", name)}
		}
	}
	return nil
}

// describe reads the image from the daemon's answer.
func (r *Result) describe() error {
	text := r.Response[exptypes.ExporterImageDescriptorKey]
	if text == "" {
		return nil
	}
	desc, err := parseDescriptor(text)
	if err != nil {
		return err
	}
	r.Descriptor = &desc
	return nil
}

// Seal makes the outputs ready: it merges what several nodes have sent and
// pushes merged images by digest. Nothing has appeared yet when it fails. It
// is called once all solves have succeeded.
func (p *Plan) Seal(ctx context.Context) error {
	for _, s := range p.ordered() {
		if err := s.seal(ctx); err != nil {
			return ExplainFault(err)
		}
	}
	p.sealed = true
	return nil
}

// Commit makes the outputs appear, each whole: files by a rename, then the
// tags of pushed images. Seal must have succeeded.
func (p *Plan) Commit(ctx context.Context) (*Outcome, error) {
	if !p.sealed {
		return nil, errors.New("the outputs are not sealed")
	}
	for _, s := range p.ordered() {
		if ctx.Err() != nil {
			return nil, &cancelledError{context.Cause(ctx)}
		}
		if err := s.commit(ctx); err != nil {
			return nil, ExplainFault(err)
		}
	}
	return p.outcome(), nil
}

// ordered are the sinks in the order in which they are committed.
func (p *Plan) ordered() []sink {
	list := slices.Clone(p.sinks)
	slices.SortStableFunc(list, func(a, b sink) int { return cmp.Compare(a.traits().turn, b.traits().turn) })
	return list
}

// outcome prefers an image that was pushed to one in a file, as the last sink
// in the order of commits.
func (p *Plan) outcome() *Outcome {
	o := &Outcome{}
	for _, s := range p.ordered() {
		if maker, ok := s.(publisher); ok {
			if image, ok := maker.published(); ok {
				o.Descriptor, o.Names, o.Platforms = image.descriptor, image.names, image.index.Platforms()
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.Descriptor == nil && len(p.results) == 1 {
		r := p.results[0]
		o.Descriptor = r.Descriptor
		o.ConfigDigest = r.Response[exptypes.ExporterImageConfigDigestKey]
		if names := r.Response[exptypes.ExporterImageNameKey]; names != "" {
			o.Names = strings.Split(names, ",")
		}
	}
	return o
}

// Publishes are the references that Commit tags through Request.Registry,
// known once the first solve has begun: none when one node builds all.
func (p *Plan) Publishes() []string {
	var names []string
	for _, s := range p.sinks {
		if i, ok := s.(*imageOutput); ok {
			names = append(names, i.publishes()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// exportersSince is the first BuildKit that takes several exporters; those
// before it take the first and say nothing of the others.
const exportersSince = 13

// takesExporters fails when the daemon is known not to take so many outputs.
func (d *Daemon) takesExporters(n int) error {
	major, rest, _ := strings.Cut(strings.TrimPrefix(d.version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	number, err := strconv.Atoi(minor)
	if n < 2 || major != "0" || err != nil || number == 0 || number >= exportersSince {
		return nil
	}
	return &UsageError{
		Flag: "--output", Problem: "several outputs in one build need BuildKit v0.13 or newer, the builder has " + d.version,
		Hint: "update the builder's image or give one output",
	}
}
