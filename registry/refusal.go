package registry

import "strings"

// Reason is why a registry did not do what it was asked for.
type Reason int

const (
	// NotAccepted is a credential that is wrong, expired or missing.
	NotAccepted Reason = iota + 1
	// NoRight is a credential, or none, without the right to the repository.
	NoRight
	// TooManyRequests is a limit on the number of requests.
	TooManyRequests
	// UnknownRepository is a push to a repository that has to be made first.
	UnknownRepository
	// UnknownAuthority is a certificate that no known authority has signed.
	UnknownAuthority
	// WrongCertificate is a certificate for another name or time.
	WrongCertificate
	// PlainHTTP is a registry without TLS.
	PlainHTTP
	// UnknownHost is a name that the DNS does not know, or does not tell.
	UnknownHost
	// NotListening is a host where nothing answers.
	NotListening
	// Forbidden is what the registry takes from nobody, whatever the
	// credential: HintOf says what to do.
	Forbidden
)

// refusals are the phrases by which a reason is known, in lower case and in the
// order in which they are looked for: a limit is often reported with a status
// of refusal, and a refusal of the token service is wrapped in one of access.
//
// Those of Forbidden are the registries' own. The others are those of
// BuildKit's util/resolver and session/auth, of containerd's
// core/remotes/docker with the error codes of the distribution specification,
// and of Go's net, net/http and crypto/x509.
var refusals = []struct {
	reason  Reason
	phrases []string
	hint    string // of Forbidden only
}{
	{TooManyRequests, []string{"429 too many requests", "toomanyrequests"}, ""},
	{UnknownAuthority, []string{"certificate signed by unknown authority"}, ""},
	{WrongCertificate, []string{"x509: "}, ""},
	{PlainHTTP, []string{"server gave http response to https client"}, ""},
	{UnknownHost, []string{"no such host", "server misbehaving", "dial tcp: lookup "}, ""}, // also of a DNS that does not answer
	{NotListening, []string{"connection refused", "i/o timeout", "no route to host", "tls handshake timeout"}, ""},
	{NoRight, []string{"access to the requested resource is not authorized"}, ""}, // Quay and Nexus, with 401
	{NotAccepted, []string{"401 unauthorized", "invalid_token", "no basic auth credentials", "missing username or secret", "unauthorized: "}, ""},
	{NoRight, []string{"403 forbidden", "insufficient_scope", "access denied", "denied: "}, ""},
	{UnknownRepository, []string{"name unknown", "404 not found"}, ""},
	{NoRight, []string{"authorization failed"}, ""},
	{ // Amazon ECR; Harbor; Quay; Artifactory.
		Forbidden,
		[]string{"immutable", "cannot be overwritten", "tag already exists", "not allowed to overwrite", "not allowed to be overwritten"},
		"the tag exists and the registry does not let it move: push another tag, or delete this one in the registry",
	},
	{ // Harbor; GitLab, Nexus and ACR; Amazon ECR's limits are counted in images.
		Forbidden,
		[]string{"quota", "storage limit", "size limit", "limit exceeded"},
		"the registry is full for this project or user: remove images there, or have its limit raised",
	},
	{ // Azure Container Registry; others behind a firewall of their own.
		Forbidden,
		[]string{"is not allowed access", "ip address", "firewall"},
		"the registry's network rules keep this address out: the credential does not matter there",
	},
	{
		Forbidden,
		[]string{"read-only", "readonly", "read only", "maintenance"},
		"the registry takes no pushes now, from nobody: ask who runs it",
	},
}

// ReasonOf reads out of a message of a builder, or of Go's libraries, why a
// registry refused or was not reached; 0 for none that is known. It does not
// return Forbidden: names in the message may be made of any words.
func ReasonOf(message string) Reason {
	reason, _ := refusal(message, false)
	return reason
}

// HintOf says what to do about a refusal that has nothing to do with the
// credential, although its status (401, 403) often says so: by the registry's
// own words. It is empty for all others.
func HintOf(message string) string {
	_, hint := refusal(message, true)
	return hint
}

// refusal finds the first phrase in a message, among those of Forbidden or
// among the others.
func refusal(message string, forbidden bool) (Reason, string) {
	message = strings.ToLower(message)
	for _, known := range refusals {
		if (known.reason == Forbidden) != forbidden {
			continue
		}
		for _, phrase := range known.phrases {
			if strings.Contains(message, phrase) {
				return known.reason, known.hint
			}
		}
	}
	return 0, ""
}
