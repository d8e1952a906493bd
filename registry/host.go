package registry

import (
	"net/url"
	"slices"
	"strings"
)

// dockerHubKey is the name under which docker login stores the credential of
// Docker Hub, for historical reasons a URL.
const dockerHubKey = "https://index.docker.io/v1/"

// hubHosts are the names under which Docker Hub is asked and written about.
func hubHosts() []string {
	return []string{"docker.io", "index.docker.io", "registry-1.docker.io"}
}

// hubBackedHosts are registries of Docker that accept a Hub credential; buildx
// falls back to it for them.
func hubBackedHosts() []string {
	return []string{"dhi.io", "registry.scout.docker.com"}
}

// canonicalKey is the key under which docker stores the credential of a
// registry, and the server URL that it passes to a credential helper.
func canonicalKey(host string) string {
	if slices.Contains(hubHosts(), host) {
		return dockerHubKey
	}
	return host
}

// keyHost is the registry host that a key of a docker config means. Old files
// hold URLs where new ones hold hosts.
func keyHost(key string) string {
	if strings.Contains(key, "://") {
		if u, err := url.Parse(key); err == nil && u.Host != "" {
			return u.Host
		}
	}
	_, rest, ok := strings.Cut(key, "://")
	if !ok {
		rest = key
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// sameRegistry reports whether a key of a docker config means the registry at
// host, in any of docker.io's spellings.
func sameRegistry(key, host string) bool {
	return canonicalKey(keyHost(key)) == canonicalKey(host)
}

// lookupKeys returns the keys of a docker config that mean the registry at
// host, the best match first: docker's own spelling, then the others in
// alphabetical order.
func lookupKeys[V any](m map[string]V, host string) []string {
	var exact, others []string
	for key := range m {
		switch {
		case key == canonicalKey(host):
			exact = append(exact, key)
		case sameRegistry(key, host):
			others = append(others, key)
		}
	}
	slices.Sort(others)
	return append(exact, others...)
}
