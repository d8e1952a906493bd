package session

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/registry"
)

// refusal is what a message of BuildKit's says of a registry that refused or
// could not be reached.
type refusal struct {
	// target is the repository and whether it is written to. Its Host is that
	// of image references, docker.io for Docker Hub.
	target registry.Request
	reason registry.Reason
	// hint is what to do about what is forbidden.
	hint string
}

// parseRefusal reads a message of buildkitd, which passes on what a registry
// said as text. It reports false when that names no registry or no reason.
func parseRefusal(text string) (refusal, bool) {
	r := refusal{target: refusedTarget(text)}
	r.target.Push = writes(text)
	r.reason = registry.ReasonOf(text)
	if r.reason == registry.UnknownRepository && !r.target.Push {
		return refusal{}, false // an image that is not there is the build's fault
	}
	// A status of refusal, or one that no sign is of, with words of its own.
	if r.hint = registry.HintOf(afterTarget(text)); r.hint != "" && (r.reason == 0 && r.target.Push || r.reason == registry.NotAccepted || r.reason == registry.NoRight) {
		r.reason = registry.Forbidden
	}
	return r, r.reason != 0 && r.target.Host != ""
}

// writes reports whether a message is about a push, of an image or a cache.
func writes(text string) bool {
	for _, sign := range []string{"failed to push ", "push access denied", "error writing ", "/blobs/uploads/", authorizePush} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// referenceMarks stand before an image reference, which ends with a colon and
// a space. The last two are those of the agent's own errors.
var referenceMarks = []string{"failed to push ", "failed to resolve source metadata for ", authorizePush, "authorize "}

// authorizePush is how the agent's own errors begin that are about a token
// with the right to push; others begin with authorize alone.
const authorizePush = "authorize push to "

// afterTarget is what a message says of a repository: names may be of any words.
func afterTarget(text string) string {
	for _, mark := range referenceMarks {
		if _, rest, found := strings.Cut(text, mark); found {
			_, said, _ := strings.Cut(rest, ": ")
			return said
		}
	}
	return text
}

// inAPI finds the host and the repository in a URL of a registry.
var inAPI = regexp.MustCompile(`https?://([^\s/"?@]+)/v2/([^\s"?]+?)/(?:blobs|manifests|tags|referrers)/`)

// refusedTarget finds out which repository a message is about, by its name or
// by the URL that was asked.
func refusedTarget(text string) registry.Request {
	for _, mark := range referenceMarks {
		_, rest, found := strings.Cut(text, mark)
		name, _, ended := strings.Cut(rest, ": ")
		if named, err := reference.ParseNormalizedNamed(name); found && ended && err == nil {
			return registry.Request{Host: reference.Domain(named), Repository: reference.Path(named)}
		}
	}
	if found := inAPI.FindStringSubmatch(text); found != nil {
		named, err := reference.ParseNormalizedNamed(found[1] + "/" + found[2])
		if err == nil && reference.Domain(named) == found[1] && reference.Path(named) == found[2] {
			return registry.Request{Host: found[1], Repository: found[2]}
		}
	}
	return registry.Request{}
}
