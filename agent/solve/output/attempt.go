package output

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/agent/solve/job"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// Attempt is what one solve gives to all outputs. It must be ended.
type Attempt struct {
	set        *Set
	receivers  receivers
	descriptor *ocispecs.Descriptor
}

// receivers are those of all outputs, in the order in which BuildKit is asked.
type receivers []receiver

// entries are what BuildKit is asked for, with what receives it.
func (a receivers) entries() []client.ExportEntry {
	entries := make([]client.ExportEntry, len(a))
	for i, one := range a {
		entries[i] = one.entry
	}
	return entries
}

// Entries are what BuildKit is asked for, without what receives it, which is the
// Server.
func (a *Attempt) Entries() []client.ExportEntry {
	out := make([]client.ExportEntry, len(a.receivers))
	for i, one := range a.receivers {
		out[i] = client.ExportEntry{Type: one.entry.Type, Attrs: maps.Clone(one.entry.Attrs)}
	}
	return out
}

// End ends the attempt: keep says whether its result counts, response is the
// daemon's answer then. When one output that should be kept cannot be, the
// others are ended all the same.
func (a *Attempt) End(response map[string]string, keep bool) error {
	var errs []error
	for _, one := range a.receivers {
		errs = append(errs, one.end(response, keep))
	}
	if err := errors.Join(errs...); err != nil || !keep {
		return err
	}
	a.set.mu.Lock()
	defer a.set.mu.Unlock()
	a.set.answers = append(a.set.answers, answer{response, a.descriptor})
	return nil
}

// Explain finds out whether a solve that failed with err did so because the
// agent could not take its result: what the daemon says of that is a quote
// without the agent's words.
func (a *Attempt) Explain(err error) error {
	for _, one := range a.receivers {
		if own := one.failed(); own != nil {
			return own
		}
	}
	if usage := (*fault.Usage)(nil); mentionsFullDisk(err) && !target.IsFull(err) && !errors.As(err, &usage) {
		return &fault.BuilderFull{Err: err}
	}
	return err
}

// Begin opens the outputs for a solve. The attempt must be ended even if there
// is an error.
func (s *Set) Begin(of job.Job) (*Attempt, error) {
	a := &Attempt{set: s}
	if of.Several() {
		if err := checkSameImage(s.sinks); err != nil {
			return a, err
		}
	}
	for _, one := range s.sinks {
		in, err := one.begin(of)
		if err != nil {
			return a, err
		}
		a.receivers = append(a.receivers, in)
	}
	// BuildKit's answer describes the last image that it made, and a pushed
	// one cannot be told from anything else.
	slices.SortStableFunc(a.receivers, func(a, b receiver) int { return rank(a.entry) - rank(b.entry) })
	return a, nil
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

// Check checks the daemon's answer to the solve and returns the image that it
// describes; nil when no output is one.
func (a *Attempt) Check(response map[string]string) (*ocispecs.Descriptor, error) {
	if err := checkAnswer(response, a.receivers.entries()); err != nil {
		return nil, err
	}
	desc, err := describedImage(response)
	a.descriptor = desc
	return desc, err
}

// checkAnswer checks what the daemon's answer says of images, which others read in the
// metadata: digests are ones, and the names are those that were asked for.
func checkAnswer(response map[string]string, asked []client.ExportEntry) error {
	const what = "the builder's answer is not valid"
	for _, key := range []string{exptypes.ExporterImageDigestKey, exptypes.ExporterImageConfigDigestKey} {
		if text := response[key]; text != "" {
			if _, err := digest.Parse(text); err != nil {
				return &fault.Builder{What: what, Err: fmt.Errorf("%s %q: %w", key, text, err)}
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
	for name := range strings.SplitSeq(response[exptypes.ExporterImageNameKey], ",") {
		normal := normalizedNames(name)
		if name != "" && (len(normal) == 0 || !slices.Contains(names, normal[0])) {
			return &fault.Builder{What: what, Err: fmt.Errorf("it names the image %q, which was not asked for", name)}
		}
	}
	return nil
}

// describedImage reads the image from the daemon's answer; nil when there is
// none.
func describedImage(response map[string]string) (*ocispecs.Descriptor, error) {
	text := response[exptypes.ExporterImageDescriptorKey]
	if text == "" {
		return nil, nil
	}
	desc, err := parseDescriptor(text)
	if err != nil {
		return nil, err
	}
	return &desc, nil
}

// exportersSince is the first BuildKit that takes several exporters; those
// before it take the first and say nothing of the others.
const exportersSince = 13

// sourceSince is the first BuildKit that knows the attribute src of type=local and
// type=tar; those before it ignore it and export all files
// (https://github.com/moby/buildkit/blob/v0.34.2/README.md#local-directory).
const sourceSince = 34

// CheckVersion fails when a daemon of BuildKit's version ("v0.12.5") is known not
// to take such outputs.
func CheckVersion(version string, entries []client.ExportEntry) error {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	number, err := strconv.Atoi(minor)
	if major != "0" || err != nil || number == 0 {
		return nil
	}
	if len(entries) > 1 && number < exportersSince {
		return &fault.Usage{
			Flag: "--output", Problem: "several outputs in one build need BuildKit v0.13 or newer, the builder has " + version,
			Hint: "update the builder's image or give one output",
		}
	}
	for _, e := range entries {
		if _, ok := e.Attrs[attrSource]; ok && number < sourceSince && (e.Type == client.ExporterLocal || e.Type == client.ExporterTar) {
			return &fault.Usage{
				Flag: "--output", Problem: attrSource + " needs BuildKit v0.34 or newer, and the builder has " + version + ", which would export all files",
				Hint: "update the builder's image, or copy the files into a stage of their own (FROM scratch) and build that: --target",
			}
		}
	}
	return nil
}
