package registry

import (
	"slices"
)

// dockerHubKey is the name under which docker login stores the credential of
// Docker Hub, for historical reasons a URL.
const dockerHubKey = "https://index.docker.io/v1/"

// dockerHub is the name of Docker Hub in image references.
const dockerHub = "docker.io"

// hubHosts are the names under which Docker Hub is asked and written about.
func hubHosts() []string {
	return []string{dockerHub, "index.docker.io", "registry-1.docker.io"}
}

// hubBackedHosts are registries of Docker that accept a Hub credential; buildx
// falls back to it for them.
func hubBackedHosts() []string {
	return []string{"dhi.io", "registry.scout.docker.com"}
}

// CanonicalHost is the one name of a registry by which hosts that users and
// builders name are compared.
func CanonicalHost(host string) string { return withoutPort443(host) }

// canonicalHost is the one name of a registry in messages and comparisons.
func canonicalHost(host string) string {
	if slices.Contains(hubHosts(), host) {
		return dockerHub
	}
	return host
}

// canonicalKey is the key under which docker stores the credential of a
// registry, and the server URL that it passes to a credential helper.
func canonicalKey(host string) string {
	if slices.Contains(hubHosts(), host) {
		return dockerHubKey
	}
	return host
}

// Spellings are the names under which settings of a registry may stand, for a
// host that a request goes to.
func Spellings(host string) []string {
	if slices.Contains(hubHosts(), host) {
		return hubHosts()
	}
	return []string{host}
}

// withFallback is a request, followed by the one whose credential serves when
// there is none for the request itself.
func withFallback(r Request) []Request {
	if slices.Contains(hubBackedHosts(), r.Host) {
		return []Request{r, {Host: dockerHub, Push: r.Push}}
	}
	return []Request{r}
}
