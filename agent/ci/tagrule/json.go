package tagrule

import (
	"encoding/json"
	"strings"
)

// JSON is a result in the form of the action's output json.
type JSON struct {
	// Version is the tag of the rule with the highest priority; empty where no rule applies.
	Version string `json:"version"`
	// Tags are the references, IMAGE:TAG; the tags alone where no image is named.
	Tags []string `json:"tags"`
	// TagNames are the tags alone, the version first.
	TagNames []string `json:"tag-names"`
	// Labels are those of the image, by name.
	Labels map[string]string `json:"labels"`
	// Annotations are LEVEL:NAME=VALUE, as --annotation takes them.
	Annotations []string `json:"annotations"`
}

// JSON returns the result for programs. Lists are never null.
func (r Result) JSON() JSON {
	labels := map[string]string{}
	for _, l := range r.Labels {
		labels[l.Name] = l.Value
	}
	return JSON{Version: r.Version, Tags: list(r.Tags), TagNames: list(r.TagNames), Labels: labels, Annotations: list(r.Annotations)}
}

func list(all []string) []string { return append([]string{}, all...) }

// Output is an output of a pipeline's step. A value may have several lines.
type Output struct{ Name, Value string }

// Outputs returns the outputs of the action, named as there: version, tags,
// tag-names, labels, annotations and json. The bake files are not among them.
func (r Result) Outputs() ([]Output, error) {
	text, err := json.Marshal(r.JSON())
	if err != nil {
		return nil, err
	}
	labels := make([]string, 0, len(r.Labels))
	for _, l := range r.Labels {
		labels = append(labels, l.Name+"="+l.Value)
	}
	return []Output{
		{"version", r.Version},
		{"tags", strings.Join(r.Tags, "\n")},
		{"tag-names", strings.Join(r.TagNames, "\n")},
		{"labels", strings.Join(labels, "\n")},
		{"annotations", strings.Join(r.Annotations, "\n")},
		{"json", string(text)},
	}, nil
}
