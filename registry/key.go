package registry

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// authKey says what an entry of a file with credentials is for: a registry, or
// the repositories below a path in it. Files of docker, of Kubernetes and of
// podman are read by the same rules.
type authKey struct {
	// text is the key as it stands in the file.
	text string
	// host is host[:port] in lower case; as in Kubernetes its parts between
	// dots may hold the wildcards * and ?.
	host string
	// path is a repository or what its name begins with, up to a slash; empty
	// for all.
	path string
	// only restricts it to one kind of request.
	only right
}

// right is a kind of request that a credential is for.
type right string

const (
	anyRight  right = ""
	pullRight right = "pull"
	pushRight right = "push"
)

// parseKey takes a key apart. Old files hold URLs where new ones hold hosts.
func parseKey(text string) authKey {
	rest := text
	if _, after, ok := strings.Cut(text, "://"); ok {
		rest = after
	}
	host, path, _ := strings.Cut(rest, "/")
	path = strings.Trim(path, "/")
	if path == "v1" || path == "v2" { // of the registry's own URL
		path = ""
	}
	return authKey{text: text, host: canonicalHost(strings.ToLower(host)), path: path}
}

// registry is the key for people: docker.io/team.
func (k authKey) registry() string {
	if k.path == "" {
		return k.host
	}
	return k.host + "/" + k.path
}

// glob reports whether the host holds wildcards.
func (k authKey) glob() bool { return strings.ContainsAny(k.host, "*?") }

// isHost reports whether the key is for the registry. A wildcard stands for
// letters of one part of the name and never for a dot or a port, so that
// *.registry.example is no key to registry.example.evil.example.
func (k authKey) isHost(host string) bool {
	host = strings.ToLower(host)
	if !k.glob() {
		return k.host == canonicalHost(host)
	}
	wantName, wantPort := CutPort(k.host)
	want := strings.Split(wantName, ".")
	return slices.ContainsFunc(Spellings(host), func(host string) bool {
		name, port := CutPort(host)
		parts := strings.Split(name, ".")
		if port != wantPort || len(parts) != len(want) {
			return false
		}
		for i, part := range parts {
			if ok, err := path.Match(want[i], part); err != nil || !ok {
				return false
			}
		}
		return true
	})
}

// covers reports whether the repository is below the key's path.
func (k authKey) covers(repository string) bool {
	return k.path == "" || repository == k.path || strings.HasPrefix(repository, k.path+"/")
}

// serves reports whether a credential with this key may be used for a request.
// A request without a repository may be for any, and loose files know no paths.
func (k authKey) serves(r Request, loose bool) bool {
	if !k.isHost(r.Host) {
		return false
	}
	if r.Repository == "" {
		return true
	}
	return (loose || k.covers(r.Repository)) && (k.only == anyRight || k.only == pushRight == r.Push)
}

// bestFirst orders keys that serve a request: those for its repository before
// those for its whole registry, those for its kind before those for all, names
// before wildcards, docker's own spelling before others, then by the alphabet.
// Where the repository is not known, the order of the first two turns round.
func bestFirst(r Request) func(a, b authKey) int {
	known := -1
	if r.Repository == "" {
		known = 1
	}
	return func(a, b authKey) int {
		return cmp.Or(
			-compareBool(a.covers(r.Repository), b.covers(r.Repository)),
			known*cmp.Compare(a.depth(), b.depth()),
			known*compareBool(a.only != anyRight, b.only != anyRight),
			compareBool(a.glob(), b.glob()),
			-compareBool(a.text == canonicalKey(r.Host), b.text == canonicalKey(r.Host)),
			cmp.Compare(a.text, b.text),
		)
	}
}

// depth is the number of the path's parts.
func (k authKey) depth() int {
	if k.path == "" {
		return 0
	}
	return strings.Count(k.path, "/") + 1
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// matching returns the keys of a map that serve a request, best first.
func matching[V any](m map[string]V, r Request, loose bool) []string {
	var keys []authKey
	for text := range m {
		if k := parseKey(text); k.serves(r, loose) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, bestFirst(r))
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.text
	}
	return texts
}
