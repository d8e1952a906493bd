// Package tagging has the flags by which tags, labels and annotations are made of
// what a pipeline runs for, and prints them.
package tagging

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-build/slipway/agent/ci"
	"github.com/slipway-build/slipway/agent/ci/tagrule"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/registry/imageindex"
)

// Flags say how tags, labels and annotations are made.
type Flags struct {
	Image          []string `sep:"none" env:"SLIPWAY_IMAGES" placeholder:"NAME" help:"Image that gets the tags of the rules, without a tag (default: that of the repository in the registry of GitLab or GitHub). The variables of these flags hold one value per line."`
	TagRule        []string `sep:"none" env:"SLIPWAY_TAG_RULES" placeholder:"RULE" help:"How a tag is made, as docker/metadata-action has it: type=ref,event=branch or type=semver,pattern={{version}} (default: the schedule, branch, tag or pull request)."`
	TagFlavor      []string `sep:"none" env:"SLIPWAY_TAG_FLAVOR" placeholder:"FLAVOR" help:"What all tags have in common: latest=auto|true|false, prefix=TEXT, suffix=TEXT[,onlatest=true]."`
	LabelRule      []string `sep:"none" env:"SLIPWAY_LABEL_RULES" placeholder:"NAME=VALUE" help:"Label with expressions such as {{branch}} in its value."`
	AnnotationRule []string `sep:"none" env:"SLIPWAY_ANNOTATION_RULES" placeholder:"NAME=VALUE" help:"Annotation with expressions in its value."`
	TagContext     []string `sep:"none" env:"SLIPWAY_TAG_CONTEXT" placeholder:"KEY=VALUE" help:"What the pipeline runs for, where the CI system does not say: branch, tag, pr, ref, sha, event, default-branch, base-ref, commit-time, title, description, url, licenses."`
}

// From are the flags that make a build use them.
type From struct {
	TagsFrom        string `env:"SLIPWAY_TAGS_FROM" placeholder:"ci" help:"Tag the image by what the pipeline runs for, see --tag-rule, besides --tag."`
	LabelsFrom      string `env:"SLIPWAY_LABELS_FROM" placeholder:"ci" help:"Label the image by what the pipeline runs for: version, revision, source and the like. --label wins."`
	AnnotationsFrom string `env:"SLIPWAY_ANNOTATIONS_FROM" placeholder:"ci" help:"Annotate the image so. --annotation wins."`
}

// fromCI is the only value of those flags.
const fromCI = "ci"

// flag is a flag by its name, with its values and what it needs.
type flag struct {
	name, variable string
	values         []string
	needs          string
}

// Any tells whether a build uses anything. Flags that would have no effect and values
// that are unknown are refused; given are the flags that are on the command line.
func (f From) Any(flags Flags, given map[string]bool) (bool, error) {
	var all fault.UsageList
	for _, of := range []flag{
		{name: "tags-from", values: []string{f.TagsFrom}},
		{name: "labels-from", values: []string{f.LabelsFrom}},
		{name: "annotations-from", values: []string{f.AnnotationsFrom}},
	} {
		if value := of.values[0]; value != "" && value != fromCI {
			all.Add(&fault.Usage{Flag: "--" + of.name, Value: value, Problem: "the only value is ci"})
		}
	}
	any := f.TagsFrom != "" || f.LabelsFrom != "" || f.AnnotationsFrom != ""
	for _, of := range flags.list() {
		used := map[string]bool{"tags-from": f.TagsFrom != "", "labels-from": f.LabelsFrom != "", "annotations-from": f.AnnotationsFrom != ""}
		if given[of.name] && !used[of.needs] && (of.name != "tag-rule" && of.name != "tag-flavor" && of.name != "tag-context" || !any) {
			all.Add(&fault.Usage{Flag: "--" + of.name, Problem: "has no effect without --" + of.needs + "=ci"})
		}
	}
	return any, all.Err()
}

func (f Flags) list() []flag {
	return []flag{
		{"image", "SLIPWAY_IMAGES", f.Image, "tags-from"},
		{"tag-rule", "SLIPWAY_TAG_RULES", f.TagRule, "tags-from"},
		{"tag-flavor", "SLIPWAY_TAG_FLAVOR", f.TagFlavor, "tags-from"},
		{"label-rule", "SLIPWAY_LABEL_RULES", f.LabelRule, "labels-from"},
		{"annotation-rule", "SLIPWAY_ANNOTATION_RULES", f.AnnotationRule, "annotations-from"},
		{"tag-context", "SLIPWAY_TAG_CONTEXT", f.TagContext, "tags-from"},
	}
}

// Pipeline is where the flags are used.
type Pipeline struct {
	Variables ci.Variables
	// System is that of --ci; where it is none, or one without a pipeline of its own,
	// the one that runs the job counts.
	System ci.System
	// PullRequestHead takes the commit of a pull request's branch, not that of its
	// merge: DOCKER_METADATA_PR_HEAD_SHA.
	PullRequestHead bool
	// ShortSHA is DOCKER_METADATA_SHORT_SHA_LENGTH, Levels is
	// DOCKER_METADATA_ANNOTATIONS_LEVELS, Epoch is SOURCE_DATE_EPOCH: as they are set,
	// empty where they are not.
	ShortSHA, Levels, Epoch string
	// Read reads a file that a variable names, of at most so many bytes.
	Read func(path string, limit int64) ([]byte, error)
	// Given are the flags that are on the command line; the others come from their
	// variables.
	Given map[string]bool
	Now   time.Time
	// Warn and Note are told what a user may want to know.
	Warn, Note func(line string)
}

// Make makes tags, labels and annotations. All mistakes in the flags are reported.
func (f Flags) Make(in Pipeline) (tagrule.Result, error) {
	var all fault.List
	named := map[string]flag{}
	for _, of := range f.list() {
		label := "--" + of.name
		if !in.Given[of.name] {
			label = of.variable
		}
		named[of.name] = flag{name: label, values: of.values}
	}
	request := tagrule.Request{Rules: tagrule.DefaultRules()}
	if rules := fault.Take(&all, func() ([]tagrule.Rule, error) { return tagrule.ParseRules(named["tag-rule"].name, f.TagRule) }); len(rules) > 0 {
		request.Rules = rules
	}
	request.Flavor = fault.Take(&all, func() (tagrule.Flavor, error) { return tagrule.ParseFlavor(named["tag-flavor"].name, f.TagFlavor) })
	request.Images = fault.Take(&all, func() ([]string, error) { return tagrule.ParseImages(named["image"].name, f.Image) })
	request.Labels = fault.Take(&all, func() ([]tagrule.Extra, error) { return tagrule.ParseExtras(named["label-rule"].name, f.LabelRule) })
	request.Annotations = fault.Take(&all, func() ([]tagrule.Extra, error) {
		return tagrule.ParseExtras(named["annotation-rule"].name, f.AnnotationRule)
	})
	request.Levels = fault.Take(&all, in.levels)
	context, image, err := in.context(named["tag-context"])
	if err != nil {
		all = append(all, err)
	}
	if len(all) > 0 {
		return tagrule.Result{}, all
	}
	if len(f.Image) == 0 && image != "" {
		if request.Images, err = tagrule.ParseImages("the image of the repository", []string{image}); err != nil {
			return tagrule.Result{}, err
		}
	}
	made, err := request.Make(context)
	if err != nil {
		return made, err
	}
	if len(f.Image) > 0 && len(request.Images) == 0 {
		made.Tags = nil // all images are disabled
	}
	for _, line := range made.Warnings {
		in.Warn(line)
	}
	for _, line := range made.Notes {
		in.Note(line)
	}
	if len(made.TagNames) == 0 {
		in.Warn(fmt.Sprintf("no tag: no rule applies to %s (event %s)", context, cmp.Or(context.Event, "not known")))
	}
	return made, nil
}

// context is what the pipeline runs for, and the image of the repository.
func (in Pipeline) context(given flag) (tagrule.Context, string, error) {
	system := in.System
	pipeline, ok := system.Pipeline(in.Variables, in.Read)
	if !ok {
		system, _ = in.Variables.Detect()
		pipeline, ok = system.Pipeline(in.Variables, in.Read)
	}
	c := pipeline.Context
	if err := c.Set(given.name, given.values); err != nil {
		return c, "", err
	}
	if !ok && len(given.values) == 0 {
		where := "no CI system is known here"
		if system.Known() {
			where = system.Title + " does not say what a pipeline runs for"
		}
		return c, "", &fault.Usage{Flag: "tags", Problem: where, Hint: "say it: --tag-context branch=BRANCH --tag-context sha=COMMIT; or name the system: --ci NAME"}
	}
	for _, line := range pipeline.Warnings {
		in.Warn(line)
	}
	c.Now = in.Now
	if in.PullRequestHead && pipeline.HeadSHA != "" && c.SHA == pipeline.Context.SHA {
		c.SHA = pipeline.HeadSHA
	}
	c.ShortSHA, _ = strconv.Atoi(in.ShortSHA)
	if seconds, err := strconv.ParseInt(in.Epoch, 10, 64); err == nil {
		c.Created = time.Unix(seconds, 0)
	}
	return c, pipeline.Image, nil
}

// levels are those of annotations.
func (in Pipeline) levels() ([]string, error) {
	if in.Levels == "" {
		return nil, nil
	}
	known := []string{"manifest", "manifest-descriptor", "index", "index-descriptor"}
	levels := strings.Split(in.Levels, ",")
	for i, level := range levels {
		levels[i] = strings.TrimSpace(level)
		if !slices.Contains(known, levels[i]) {
			return nil, &fault.Usage{Flag: "DOCKER_METADATA_ANNOTATIONS_LEVELS", Value: in.Levels, Problem: "levels are " + strings.Join(known, ", ")}
		}
	}
	return levels, nil
}

// Annotations are those of a result with those of --annotation, which win. A value of
// --annotation that is not valid is kept, for the build to report.
func Annotations(made tagrule.Result, given []string) []string {
	// The level that is not named is that of manifests.
	key := func(a imageindex.Annotation) string { return cmp.Or(string(a.Level), "manifest") + ":" + a.Key }
	wins := map[string]bool{}
	for _, value := range given {
		parsed, _ := imageindex.ParseAnnotation(value)
		for _, a := range parsed {
			if a.Platform == nil {
				wins[key(a)] = true
			}
		}
	}
	var all []string
	for _, value := range made.Annotations {
		if parsed, err := imageindex.ParseAnnotation(value); err != nil || len(parsed) != 1 || !wins[key(parsed[0])] {
			all = append(all, value)
		}
	}
	return append(all, given...)
}
