package session

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"

	"github.com/slipway-build/slipway/registry"
)

// Hosts are the registries that a build names. Its builders get no credential
// for others, because a builder runs other people's code.
type Hosts struct {
	// Named are the hosts, in the form of registry.CanonicalHost.
	Named map[string]bool
	// Open says why the build may need others that cannot be known; empty when
	// all are known.
	Open string
	// Pushes are the repositories that the build pushes to, HOST/NAME.
	Pushes map[string]bool
	// PushTo reports of further repositories, HOST/NAME, whether the build may push to
	// them; nil is none.
	PushTo func(repository string) bool
	// PushesAny says that the frontend names a repository that is pushed to.
	PushesAny bool
	// Warn is told, once for a host or repository, of questions for others; may
	// be nil.
	Warn func(message string)

	mu     sync.Mutex
	warned map[string]bool
}

// allows reports whether a builder may have the credential for a host. Where
// it cannot be known what a build needs, it may. A nil *Hosts allows all.
func (n *Hosts) allows(host string) bool {
	return n == nil || n.Named[registry.CanonicalHost(host)] || n.Open != ""
}

// warnHost tells of a credential that there is for a host that is not named.
func (n *Hosts) warnHost(host string) {
	switch {
	case n == nil || n.Named[registry.CanonicalHost(host)] || !n.first(host):
	case n.Open != "":
		n.Warn(fmt.Sprintf("the builder has asked for a credential for %s, which nothing that this agent has read names, and has got it: %s", host, n.Open))
	default:
		n.Warn(fmt.Sprintf("the builder asks for a credential for %s, which this build does not name, and does not get it: if it is a mirror or the like, allow it with --registry-allow %s", host, host))
	}
}

// first reports whether something is to be told that has not been told yet.
func (n *Hosts) first(what string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Warn == nil || n.warned[what] {
		return false
	}
	if n.warned == nil {
		n.warned = map[string]bool{}
	}
	n.warned[what] = true
	return true
}

// actionPull is the one thing that a token lets a builder do everywhere.
const actionPull = "pull"

// narrow returns what a builder may have of the scopes that it asks for, and
// the others. It may do what it likes where the build pushes. Elsewhere it may
// pull: what a frontend or the bases of an image need, and from where a push
// mounts layers, nobody knows beforehand. Nothing else is for a builder, such as
// the list of all repositories.
func (n *Hosts) narrow(host string, scopes []string) (left, refused []string) {
	if n == nil || n.PushesAny {
		return scopes, nil
	}
	for _, list := range scopes {
		for scope := range strings.FieldsSeq(list) {
			// Who reads it may look for either colon, so there are no others.
			part := strings.Split(scope, ":")
			switch {
			case len(part) != 3 || part[0] != "repository":
				refused = append(refused, scope)
				continue
			case n.pushes(registry.CanonicalHost(host) + "/" + part[1]):
				left = append(left, scope)
				continue
			}
			actions := strings.Split(part[2], ",")
			if slices.Contains(actions, actionPull) {
				left = append(left, "repository:"+part[1]+":"+actionPull)
			}
			if slices.ContainsFunc(actions, func(a string) bool { return a != actionPull }) {
				refused = append(refused, scope)
			}
		}
	}
	return left, refused
}

// pushes reports whether the build pushes to a repository, HOST/NAME.
func (n *Hosts) pushes(repository string) bool {
	return n.Pushes[repository] || n.PushTo != nil && n.PushTo(repository)
}

// warnScopes tells of rights that a builder has asked for and not got.
func (n *Hosts) warnScopes(host string, scopes []string) {
	for _, scope := range scopes {
		if n.first(host + " " + scope) {
			n.Warn(fmt.Sprintf("the builder asks for the right %s at %s and does not get it: a build pushes to the repositories of its outputs and caches, and may pull from others", scope, host))
		}
	}
}

// AddImage adds the registry of an image. What is no reference is the builder's to
// refuse.
func (n *Hosts) AddImage(ref string) {
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		n.Named[registry.CanonicalHost(reference.Domain(named))] = true
	}
}

// AddPush adds the repository of an image that is pushed.
func (n *Hosts) AddPush(ref string) {
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		n.Pushes[registry.CanonicalHost(reference.Domain(named))+"/"+reference.Path(named)] = true
	}
}

// AddUnknown notes why the build may need other hosts; the first reason counts.
func (n *Hosts) AddUnknown(reason string) {
	if n.Open == "" {
		n.Open = reason
	}
}
