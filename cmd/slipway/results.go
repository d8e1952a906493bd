package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/slipway-build/slipway/agent/report"
	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/target"
)

// resultFlags name files in which a build says what it has produced.
type resultFlags struct {
	MetadataFile string `placeholder:"FILE" help:"Write what was built, as JSON: digests, descriptors, per platform."`
	Iidfile      string `placeholder:"FILE" help:"Write the image ID."`
	CIResults    string `name:"ci-results" env:"SLIPWAY_CI_RESULTS" placeholder:"DIR" help:"Write what the build came to into a directory, in the forms that the CI system of --ci reads; also when it fails."`
}

// results are the files that were asked for; nil for none.
type results struct{ metadata, iid *target.File }

// checkImageID refuses to write the ID of an image where all outputs are files that
// make none: docker buildx does so where any is.
func (f resultFlags) checkImageID(outputs []output.Output) error {
	if f.Iidfile == "" || len(outputs) == 0 || slices.ContainsFunc(outputs, output.Output.MakesImage) {
		return nil
	}
	return &usageError{err: &fault.Usage{
		Flag: "--iidfile", Value: f.Iidfile, Problem: "no output is an image: " + outputs[0].String(),
		Hint: "leave it out, or add an output of type=registry, image, oci or docker",
	}}
}

// usesStdout reports whether an output is written to standard output.
func usesStdout(outputs []output.Output) bool {
	return slices.ContainsFunc(outputs, func(o output.Output) bool { return o.Dest == "-" })
}

// open fails when the files could not be written after the build, and removes
// an image ID of an earlier one, which must not be taken for this one's.
func (f resultFlags) open(in *invocation) (results, error) {
	var all fault.List
	metadata := fault.Take(&all, func() (*target.File, error) { return in.openResult("--metadata-file", f.MetadataFile) })
	iid := fault.Take(&all, func() (*target.File, error) { return in.openResult("--iidfile", f.Iidfile) })
	if len(all) > 0 {
		return results{}, &usageError{err: all}
	}
	if iid != nil {
		if err := iid.Clear(); err != nil {
			return results{}, &usageError{err: fmt.Errorf("--iidfile: remove the previous one: %w", err)}
		}
	}
	return results{metadata, iid}, nil
}

// write writes the files.
func (r results) write(ctx context.Context, made *report.Report, warnings bool) error {
	if err := writeResult(ctx, "--iidfile", r.iid, []byte(made.ImageID())); err != nil {
		return err
	}
	if r.metadata == nil {
		return nil
	}
	return writeMetadata(ctx, r.metadata, made.Metadata(warnings))
}
