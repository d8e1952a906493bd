package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/cmd/slipway/install"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/sanitize"
)

type installCmd struct {
	Dir string `arg:"" help:"The directory, such as that of an emptyDir. It is made if it is not there."`

	As     []string `placeholder:"NAME" help:"Make it known there under these names too: docker, docker-buildx, buildx, executor, warmer."`
	Verify bool     `help:"Run the installed program and compare its version."`
	Force  bool     `help:"Replace other programs that have the names of --as."`
}

// Help is shown by --help.
func (c *installCmd) Help() string {
	return "An init container with Slipway's image puts the program into a volume that the agent's container mounts, so that any image can be the agent. A program that is there with the same content stays."
}

// Run copies the running program.
func (c *installCmd) Run(in *invocation) error {
	r, err := c.request(in.workdir)
	if err != nil {
		return &usageError{err: err}
	}
	files, err := install.Run(in.ctx, r)
	if err != nil {
		return storeError(err)
	}
	if c.Verify {
		if err := install.Verify(in.ctx, files[0].Path, versionLine()); err != nil {
			return storeError(err)
		}
	}
	for _, file := range files {
		what := "installed"
		switch {
		case !file.Changed:
			what = "up to date"
		case file.LinkTo != "":
			what = "link to " + file.LinkTo
		}
		if _, err := sanitize.Fprintf(in.out, "%s: %s\n", file.Path, what); err != nil {
			return err
		}
	}
	return nil
}

func (c *installCmd) request(workdir string) (install.Request, error) {
	r := install.Request{Dir: c.Dir, Force: c.Force}
	if c.Dir == "" { // pipelines pass variables that may be empty
		return r, &fault.Usage{Flag: "DIR", Problem: "is empty"}
	}
	if !filepath.IsAbs(r.Dir) {
		r.Dir = filepath.Join(workdir, r.Dir)
	}
	for _, name := range c.As {
		if !slices.Contains(asDocker, name) && !called(name).kaniko() {
			return r, &fault.Usage{Flag: "--as", Value: name, Problem: "is not " + strings.Join(asDocker, ", ") + ", executor or warmer"}
		}
		if !slices.Contains(r.Aliases, name) {
			r.Aliases = append(r.Aliases, name)
		}
	}
	var err error
	if r.Program, err = os.Executable(); err != nil {
		return r, fmt.Errorf("find the running program: %w", err)
	}
	return r, nil
}
