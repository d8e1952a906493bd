package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/cmd/slipway/tagging"
	"github.com/slipway-build/slipway/internal/source"
)

// tagsCmd shows what a pipeline's build would be tagged with.
type tagsCmd struct {
	tagging.Flags
	CI     string `name:"ci" default:"auto" env:"SLIPWAY_CI" placeholder:"NAME" help:"CI system whose variables are read, as of slipway build."`
	Format string `enum:"text,json,github,bake" default:"text" help:"text for one reference a line, json, github for the file GITHUB_OUTPUT, bake for docker buildx bake (${enum})."`
}

// Help is shown by --help.
func (c *tagsCmd) Help() string {
	return "The rules are those of docker/metadata-action. slipway build --tags-from=ci with the same flags gives an image these tags, --labels-from=ci and --annotations-from=ci these labels and annotations."
}

// Run prints them.
func (c *tagsCmd) Run(in *invocation) error {
	system, _, err := in.env.CI.Choose(c.CI)
	if err != nil {
		return &usageError{err: fmt.Errorf("--ci: %w", err)}
	}
	made, err := c.Make(in.pipeline(system))
	if err != nil {
		return &usageError{err: err}
	}
	if c.Format == tagging.JSON {
		return in.printJSON(made.JSON())
	}
	if c.Format == tagging.Text {
		return tagging.Print(in.out, made, c.Format)
	}
	return tagging.Print(in.json, made, c.Format)
}

// readEvent reads the event of a pipeline, which is a file that the system has written:
// a pipe, which in.files would wait for, is none.
func readEvent(path string, limit int64) ([]byte, error) {
	return (*source.Reader)(nil).Read(path, limit)
}

// pipeline is where tags are made.
func (in *invocation) pipeline(system ci.System) tagging.Pipeline {
	return tagging.Pipeline{
		Variables:       in.env.CI,
		System:          system,
		Read:            readEvent,
		PullRequestHead: in.env.enabled("DOCKER_METADATA_PR_HEAD_SHA"),
		ShortSHA:        in.env.variable("DOCKER_METADATA_SHORT_SHA_LENGTH"),
		Levels:          in.env.variable("DOCKER_METADATA_ANNOTATIONS_LEVELS"),
		Epoch:           in.env.variable("SOURCE_DATE_EPOCH"),
		Given:           in.given,
		Now:             time.Now(),
		Warn:            in.warn,
		Note:            func(line string) { in.log.Info().Msg(line) },
	}
}

// addFromCI adds to the flags what is made of the pipeline. What the user says wins.
func (c *buildCmd) addFromCI(in *invocation, system ci.System) error {
	any, err := c.Any(c.Flags, in.given)
	if err != nil || !any {
		return asUsage(err)
	}
	made, err := c.Make(in.pipeline(system))
	if err != nil {
		return asUsage(err)
	}
	if c.TagsFrom != "" {
		if len(made.TagNames) > 0 && len(c.Image) == 0 && slices.Equal(made.Tags, made.TagNames) {
			if in.given["tags-from"] {
				return &usageError{err: errors.New("--tags-from: no image is named"), hints: []string{"name it: --image registry.example/team/app"}}
			}
			// The variable may be that of a pipeline whose other builds make images.
			in.warn("SLIPWAY_TAGS_FROM: no tag: neither --image nor the CI system names an image")
			made.Tags = nil
		}
		for _, tag := range made.Tags {
			if !slices.Contains(c.Tag, tag) {
				c.Tag = append(c.Tag, tag)
			}
		}
	}
	if c.LabelsFrom != "" {
		var labels []string
		for _, l := range made.Labels {
			labels = append(labels, l.Name+"="+l.Value)
		}
		c.Label = append(labels, c.Label...)
	}
	if c.AnnotationsFrom != "" {
		c.Annotation = tagging.Annotations(made, c.Annotation)
	}
	return nil
}

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err: err}
}
