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
	reason reason
	// hint is what to do about what is forbidden.
	hint string
}

// reason is why a registry did not do what it was asked for.
type reason int

const (
	// notAccepted is a credential that is wrong, expired or missing.
	notAccepted reason = iota + 1
	// noRight is a credential, or none, without the right to the repository.
	noRight
	// tooOften is a limit on the number of requests.
	tooOften
	// unknownRepository is a push to a repository that has to be made first.
	unknownRepository
	// unknownAuthority is a certificate that nobody known has signed.
	unknownAuthority
	// wrongCertificate is a certificate for another name or time.
	wrongCertificate
	// plainHTTP is a registry without TLS.
	plainHTTP
	// unknownHost is a name that the DNS does not know.
	unknownHost
	// notListening is a host where nothing answers.
	notListening
	// forbidden is what the registry takes from nobody: registry.HintOf knows
	// why.
	forbidden
)

// refusalSigns are the words by which a reason is known, in the order in which
// they are looked for: a limit is often told with a status of refusal, and a
// refusal of the token service is wrapped in one of access.
//
// They are those of BuildKit's util/resolver and session/auth, of containerd's
// core/remotes/docker with the error codes of the distribution specification,
// and of Go's net, net/http and crypto/x509.
var refusalSigns = []struct {
	sign   string
	reason reason
}{
	{"429 too many requests", tooOften},
	{"toomanyrequests", tooOften},
	{"certificate signed by unknown authority", unknownAuthority},
	{"x509: ", wrongCertificate},
	{"server gave http response to https client", plainHTTP},
	{"no such host", unknownHost},
	{"server misbehaving", unknownHost},
	{"connection refused", notListening},
	{"i/o timeout", notListening},
	{"no route to host", notListening},
	{"tls handshake timeout", notListening},
	{"access to the requested resource is not authorized", noRight}, // Quay and Nexus, with 401
	{"401 unauthorized", notAccepted},
	{"invalid_token", notAccepted},
	{"no basic auth credentials", notAccepted},
	{"missing username or secret", notAccepted},
	{"unauthorized: ", notAccepted},
	{"403 forbidden", noRight},
	{"insufficient_scope", noRight},
	{"access denied", noRight},
	{"denied: ", noRight},
	{"name unknown", unknownRepository},
	{"404 not found", unknownRepository},
	{"authorization failed", noRight},
}

// parseRefusal reads a message of buildkitd, which passes on what a registry
// said as text. It reports false when that names no registry or no reason.
func parseRefusal(text string) (refusal, bool) {
	r := refusal{target: refusedTarget(text)}
	r.target.Push = writes(text)
	lower := strings.ToLower(text)
	for _, known := range refusalSigns {
		if strings.Contains(lower, known.sign) {
			r.reason = known.reason
			break
		}
	}
	if r.reason == unknownRepository && !r.target.Push {
		return refusal{}, false // an image that is not there is the build's fault
	}
	// A status of refusal, or one that no sign is of, with words of its own.
	if r.hint = registry.HintOf(afterTarget(text)); r.hint != "" && (r.reason == 0 && r.target.Push || r.reason == notAccepted || r.reason == noRight) {
		r.reason = forbidden
	}
	return r, r.reason != 0 && r.target.Host != ""
}

// writes reports whether a message is about a push, of an image or a cache.
func writes(text string) bool {
	for _, sign := range []string{"failed to push ", "push access denied", "error writing ", "/blobs/uploads/"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// referenceMarks stand before an image reference, which ends with a colon and
// a space. The last is that of the agent's own errors.
var referenceMarks = []string{"failed to push ", "failed to resolve source metadata for ", "authorize "}

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
