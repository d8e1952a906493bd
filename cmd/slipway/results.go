package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/moby/sys/atomicwriter"

	"github.com/slipway-build/slipway/agent"
)

// resultFiles are the files in which a build says what it has produced.
type resultFiles struct {
	MetadataFile string `placeholder:"FILE" help:"Write what was built, as JSON: digests, descriptors, per platform."`
	Iidfile      string `placeholder:"FILE" help:"Write the image ID."`
}

// check fails when the files could not be written after the build, and
// removes an image ID of an earlier one, which must not be taken for this
// one's.
func (f resultFiles) check() error {
	if err := errors.Join(checkFile("--metadata-file", f.MetadataFile), checkFile("--iidfile", f.Iidfile)); err != nil {
		return &usageError{err: err}
	}
	if f.Iidfile == "" {
		return nil
	}
	if err := os.Remove(f.Iidfile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &usageError{err: fmt.Errorf("--iidfile: remove the previous one: %w", err)}
	}
	return nil
}

// write writes the files, each whole or not at all.
func (f resultFiles) write(report *agent.Report, warnings bool) error {
	if f.Iidfile != "" {
		if err := atomicwriter.WriteFile(f.Iidfile, []byte(report.ImageID()), 0o644); err != nil {
			return &usageError{err: fmt.Errorf("--iidfile: %w", err)}
		}
	}
	if f.MetadataFile == "" {
		return nil
	}
	return writeJSON("--metadata-file", f.MetadataFile, report.Metadata(warnings))
}
