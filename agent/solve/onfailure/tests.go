package onfailure

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/junit"
)

// maxReports bounds the test reports that are read of one step.
const maxReports = 2000

// readReports reads those of the files that are test reports.
func readReports(part *output.TreePart, paths []string) (all junit.Report, problems []string) {
	var out reasons
	slices.Sort(paths)
	read := 0
	for _, name := range paths {
		if !strings.EqualFold(path.Ext(name), ".xml") {
			continue
		}
		if read++; read > maxReports {
			out.add(name, fmt.Sprintf("at most %d reports are read", maxReports))
			continue
		}
		one, err := readReport(part, name)
		switch {
		case errors.Is(err, junit.ErrOther):
		case err != nil:
			out.add(name, "not read as a test report: "+fault.Cause(err))
		default:
			all.Add(one)
		}
	}
	for _, one := range out.list {
		line := one.first + ": " + one.reason
		if one.count > 1 {
			line = fmt.Sprintf("%d files, first %s", one.count, line)
		}
		problems = append(problems, line)
	}
	return all, problems
}

func readReport(part *output.TreePart, name string) (junit.Report, error) {
	in, err := part.Open(name)
	if err != nil {
		return junit.Report{}, err
	}
	defer func() { _ = in.Close() }() // it was only read
	return junit.Parse(in)
}

// local returns where a file that a test report names is below the working directory of
// the step, with slashes; empty when it is elsewhere.
func (s *Step) local(name string) string {
	if path.IsAbs(name) {
		rest, ok := under(s.Dir, path.Clean(name))
		if !ok {
			return ""
		}
		name = rest
	}
	if name == "" || !filepath.IsLocal(name) {
		return ""
	}
	return path.Clean(name)
}
