package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-build/slipway/configmap"
)

// Rights is what an identity may do of what a node needs.
type Rights struct {
	// Asked counts the rights that were asked for.
	Asked int
	// Lacking are the rights without which there is no build, Lesser those
	// without which it is slower or tells less; as in "list pods".
	Lacking, Lesser []string
	// Hints hold the roles with what is missing, ready to paste.
	Hints []string
}

// withoutExec leaves out the rights of exec unless the client's certificate
// cannot be read: builders that listen are reached without them, and roles are
// to be small.
func withoutExec(missing []missingRight) []missingRight {
	if slices.ContainsFunc(missing, func(m missingRight) bool { return m.resource == "secrets" && m.verb == "get" }) {
		return missing
	}
	return slices.DeleteFunc(missing, func(m missingRight) bool { return m.in(execRules()) })
}

// rightsTarget is the workload that rights are asked for.
type rightsTarget struct {
	namespace string
	// kind is Deployment or StatefulSet.
	kind string
	name string
	// exists is false where it is still to be created; replicas is 0 where it
	// is scaled to zero.
	exists   bool
	replicas int32
	secrets  secretNames
}

// needs are the rights that a build takes, one each.
func needs(pinned configmap.Transport, is rightsTarget, user string) []missingRight {
	own, plural := is.secrets, strings.ToLower(is.kind)+"s"
	rules := append(buildRules(), execRules()...)
	if own.client != "" && pinned != configmap.TransportExec {
		rules = append(rules, own.readRole().rules...)
	}
	switch {
	case !is.exists:
		rules = append(rules, manageRules()...)
		if own.server != "" {
			rules = append(rules, own.manageRole().rules...)
		}
	case is.replicas == 0:
		rules = append(rules, wakeRole(is.name).rules...)
	}
	var all []missingRight
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, resource := range rule.Resources {
			if !concerns(resource, plural, pinned) {
				continue
			}
			for _, verb := range rule.Verbs {
				for _, name := range names {
					right := missingRight{user: user, verb: verb, resource: resource, group: rule.APIGroups[0], namespace: is.namespace, name: name}
					if !slices.Contains(all, right) {
						all = append(all, right)
					}
				}
			}
		}
	}
	return all
}

// concerns leaves out the rights to workloads of the other kind and to
// transports that are not to be used.
func concerns(resource, plural string, pinned configmap.Transport) bool {
	base, _, _ := strings.Cut(resource, "/")
	switch {
	case base == "deployments" || base == "statefulsets":
		return base == plural
	case resource == "replicasets":
		return plural == "deployments" && (pinned == configmap.TransportAuto || pinned == configmap.TransportExec)
	case resource == "pods/exec":
		return pinned == configmap.TransportAuto || pinned == configmap.TransportExec
	case resource == "pods/portforward":
		return pinned == configmap.TransportAuto || pinned == configmap.TransportPortForward
	}
	return true
}

// weigh tells the rights without which there is no build from the lesser ones:
// one transport of several is enough, and a wait goes on without its reasons.
func weigh(pinned configmap.Transport, missing []missingRight) Rights {
	lacks := func(resource, verb string) bool {
		return slices.ContainsFunc(missing, func(m missingRight) bool { return m.resource == resource && m.verb == verb })
	}
	execs := !lacks("pods/exec", "create") && !lacks("pods/exec", "get")
	// With auto, exec stands in for all that certificates are needed for.
	standIn := pinned == configmap.TransportAuto && execs
	var r Rights
	for _, m := range missing {
		vital := true
		switch {
		case m.resource == "pods/log", m.resource == "events", m.verb == "watch":
			vital = false
		case m.resource == "replicasets":
			// Then pods are known by name and not by UID.
			vital = false
		case m.group == "apps" && m.verb == "update", m.resource == "configmaps" && m.verb == "get":
			// Only what differs from its definition is changed.
			vital = false
		case m.resource == "secrets":
			vital = !standIn
		case m.resource == "pods/exec", m.resource == "pods/portforward":
			vital = pinned != configmap.TransportAuto || lacks("secrets", "get") && !execs
		}
		if vital {
			r.Lacking = append(r.Lacking, m.String())
		} else {
			r.Lesser = append(r.Lesser, m.String())
		}
	}
	return r
}

// String is the right as kubectl's users call it.
func (m missingRight) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", m.verb, m.resource, m.name))
}

// grants are the roles that hold all of what is missing, each once, for one
// paste.
func grants(missing []missingRight, own secretNames) []string {
	var all []role
	for _, m := range missing {
		for _, r := range m.roles(own) {
			at := slices.IndexFunc(all, func(known role) bool { return known.name == r.name })
			switch {
			case at < 0:
				all = append(all, r)
			case r.name == "slipway-extra", len(r.rules) > len(all[at].rules):
				all[at].rules = append(slices.Clone(all[at].rules), r.rules...)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	first := missing[0]
	return []string{fmt.Sprintf("whoever administers the cluster can grant %s what is missing in namespace %s with kubectl apply -f - and this:", first.user, first.namespace) + first.manifest(all)}
}
