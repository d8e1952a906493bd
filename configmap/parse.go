package configmap

import (
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What the workload itself sets, as buildx does; neither can be customized.
const (
	labelApp           = "app"
	annotationPlatform = "buildx.docker.com/platform"
)

func readBool(into *bool, v string, r report) {
	b, err := strconv.ParseBool(v)
	if err != nil {
		r.bad("%q is neither true nor false", v)
		return
	}
	*into = b
}

func readTimeout(into *time.Duration, v string, r report) {
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		r.bad("%q is not a duration of more than zero", v)
		return
	}
	*into = d
}

// readImage checks a reference and returns it as it is written, because that
// is what a workload made by buildx holds.
func readImage(v string, r report) string {
	if _, err := reference.ParseNormalizedNamed(v); err != nil {
		r.bad("%q is not an image reference: %v", v, err)
	}
	return v
}

func readName(v string, check func(string) []string, r report) string {
	r.badAll(strconv.Quote(v)+" cannot be used", check(v))
	return v
}

// readPairs reads "k=v,k=v", which may stand in quotes as a whole. The first
// "=" divides.
func readPairs(v string, r report) map[string]string {
	pairs := make(map[string]string)
	for part := range strings.SplitSeq(strings.Trim(v, `"`), ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || key == "" {
			r.bad("%q is not of the form key=value", part)
			continue
		}
		if before, twice := pairs[key]; twice && before != value {
			r.bad("%s is given twice, as %q and as %q", key, before, value)
			continue
		}
		pairs[key] = value
	}
	return pairs
}

func checkLabels(labels map[string]string, r report) {
	for _, key := range keysOf(labels) {
		r.badAll(strconv.Quote(key)+" is not the name of a label", validation.IsQualifiedName(key))
		r.badAll(strconv.Quote(labels[key])+" cannot be the value of the label "+key, validation.IsValidLabelValue(labels[key]))
	}
}

func checkAnnotations(annotations map[string]string, r report) {
	for _, key := range keysOf(annotations) {
		r.badAll(strconv.Quote(key)+" is not the name of an annotation", validation.IsQualifiedName(strings.ToLower(key)))
	}
	if err := apivalidation.ValidateAnnotationsSize(annotations); err != nil {
		r.bad("%v", err)
	}
	if _, taken := annotations[annotationPlatform]; taken {
		r.bad("the annotation %q is taken: it lists the node's platforms", annotationPlatform)
	}
}
