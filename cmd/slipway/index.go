package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/slipway-build/slipway/agent/progress"
	"github.com/slipway-build/slipway/agent/solve"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/registry/imageindex"
	"github.com/slipway-build/slipway/registry/imagetools"
	"github.com/slipway-build/slipway/registry/remote"
)

// indexCmd holds the commands of docker buildx imagetools, under which name
// they are known as well.
type indexCmd struct {
	Create  indexCreateCmd  `cmd:"" help:"Make an image out of images in registries and OCI image layouts."`
	Inspect indexInspectCmd `cmd:"" help:"Show an image in a registry or an OCI image layout."`
}

type indexCreateCmd struct {
	Source []string `arg:"" optional:"" placeholder:"SOURCE" help:"Images, oci-layout://DIR[:TAG], digests, or descriptors as JSON."`

	Tag          []string `short:"t" sep:"none" placeholder:"NAME[:TAG]" help:"Name of the new image, or oci-layout://DIR[:TAG]."`
	File         []string `short:"f" sep:"none" placeholder:"FILE" help:"File with a source, for example a descriptor."`
	Append       bool     `help:"Keep what the first tag points at and add to it."`
	Annotation   []string `sep:"none" placeholder:"LEVEL:KEY=VALUE" help:"Annotation of the index, or of manifest-descriptor[PLATFORM]."`
	DryRun       bool     `help:"Print the image instead of pushing it."`
	PreferIndex  bool     `default:"true" negatable:"" help:"Make an index of a single source too, instead of a plain copy."`
	Platform     []string `short:"p" sep:"none" placeholder:"OS/ARCH" help:"Keep only these platforms, comma-separated."`
	MetadataFile string   `placeholder:"FILE" help:"File for the result's name and descriptor, as JSON."`
	Progress     string   `default:"auto" env:"SLIPWAY_PROGRESS,BUILDKIT_PROGRESS" placeholder:"MODE" help:"Type of progress output: auto, plain, tty, rawjson, quiet, none."`
	registryFlags
}

// Help is shown by --help.
func (c *indexCreateCmd) Help() string {
	return "The flags are those of docker buildx imagetools create. What the sources refer to is copied to the repository of every tag, and signatures and whatever else refers to them; the tags move when all of it is there."
}

// Run makes the image.
func (c *indexCreateCmd) Run(in *invocation) error {
	mode, err := progress.ParseMode(c.Progress)
	if err != nil {
		return &usageError{err: fmt.Errorf("--progress: %w", err)}
	}
	if mode == progress.RawJSON {
		in.secrets.tellNobody()
	}
	request, err := c.request(in)
	if err != nil {
		return &usageError{err: err}
	}
	metadata, err := in.openResult("--metadata-file", c.MetadataFile)
	if err != nil {
		return &usageError{err: err}
	}
	client, err := in.indexClient(c.registryFlags, c.Tag)
	if err != nil {
		return err
	}
	created, err := imagetools.Create(in.ctx, client, request)
	if err != nil {
		return classifyRegistry(err)
	}
	if c.DryRun {
		_, err := fmt.Fprintf(in.data, "%s\n", created.Image.Content)
		return err
	}
	if err := imagetools.Publish(in.ctx, client, created, stepPrinter(in.terminal, mode), in.warn); err != nil {
		return classifyRegistry(err)
	}
	return writeMetadata(in.ctx, metadata, created.Metadata())
}

// request parses the flags; all mistakes are reported at once.
func (c *indexCreateCmd) request(in *invocation) (imagetools.CreateOptions, error) {
	var all fault.List
	r := imagetools.CreateOptions{Append: c.Append, Carbon: !c.PreferIndex}
	// Files come before arguments, as with docker buildx.
	for _, file := range c.File {
		content := fault.Take(&all, func() ([]byte, error) { return in.files.Read(file, source.MaxConfig) })
		if content != nil {
			r.Sources = append(r.Sources, fault.Take(&all, func() (imagetools.Source, error) { return imagetools.ParseSource(string(content)) }))
		}
	}
	r.Sources = append(r.Sources, fault.Each(&all, c.Source, imagetools.ParseSource)...)
	r.Tags = fault.Each(&all, c.Tag, imagetools.ParseTag)
	for _, list := range fault.Each(&all, c.Annotation, imageindex.ParseAnnotation) {
		r.Annotations = append(r.Annotations, list...)
	}
	var err error
	if r.Platforms, err = solve.ParsePlatforms(c.Platform); err != nil {
		all = append(all, err)
	}
	if len(c.Source)+len(c.File) == 0 {
		all = append(all, errors.New("no source is given"))
	}
	if !c.DryRun && len(r.Tags) == 0 && len(all) == 0 {
		all = append(all, errors.New("no --tag is given to push to; --dry-run needs none"))
	}
	if len(all) > 0 {
		return imagetools.CreateOptions{}, all
	}
	return r, r.Validate()
}

type indexInspectCmd struct {
	Name string `arg:"" placeholder:"NAME" help:"The image, or oci-layout://DIR[:TAG]."`

	Format string `values:"json" placeholder:"FORMAT" help:"Output format: json, or a Go template over .Name, .Manifest, .Image, .SBOM and .Provenance, for example {{json .Manifest}}."`
	Raw    bool   `help:"Print the manifest as it is, byte for byte."`
	registryFlags
}

// Help is shown by --help.
func (c *indexInspectCmd) Help() string {
	return "The output is that of docker buildx imagetools inspect."
}

// Run prints the image.
func (c *indexInspectCmd) Run(in *invocation) error {
	if c.Raw && c.Format != "" {
		return &usageError{err: errors.New("--raw and --format exclude each other")}
	}
	if _, err := imagetools.ParseName(c.Name); err != nil {
		return &usageError{err: err}
	}
	var format *imagetools.Formatter
	if c.Format != "" {
		var err error
		if format, err = imagetools.ParseFormat(c.Format); err != nil {
			return &usageError{err: err}
		}
	}
	client, err := in.indexClient(c.registryFlags, nil)
	if err != nil {
		return err
	}
	inspection, err := imagetools.Inspect(in.ctx, client, c.Name)
	if err != nil {
		return classifyRegistry(err)
	}
	switch {
	case c.Raw:
		_, err = in.data.Write(inspection.Image.Content)
	case format != nil:
		err = classifyRegistry(inspection.Format(in.ctx, in.data, format))
	default:
		_, err = io.WriteString(in.out, inspection.Text())
	}
	return err
}

// indexClient is the registry client of a command that needs no builder.
func (in *invocation) indexClient(f registryFlags, tags []string) (*remote.Client, error) {
	keychain, err := in.keychain(f, tags)
	if err != nil {
		return nil, err
	}
	definitions, err := in.optionalDefinitions()
	if err != nil {
		return nil, err
	}
	return in.registryClient(keychain, nil, definitions...)
}

// classifyRegistry gives an error of package registry its exit code.
func classifyRegistry(err error) error {
	var (
		usage    *fault.Usage
		assemble *imageindex.AssembleError
	)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fault.With(fault.ClassCancelled, err)
	case errors.As(err, &usage), errors.As(err, &assemble):
		return &usageError{err: err}
	}
	return fault.With(fault.ClassRegistry, err)
}

// warn logs a warning.
func (in *invocation) warn(line string) { in.log.Warn().Msg(line) }

// stepPrinter tells the steps of a push, a line each, in the modes for people.
func stepPrinter(out io.Writer, mode progress.Mode) func(string) {
	if mode == progress.Quiet || mode == progress.None || mode == progress.RawJSON {
		return func(string) {}
	}
	return func(step string) { _, _ = sanitize.Fprintln(out, step) }
}
