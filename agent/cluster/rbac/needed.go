package rbac

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/slipway-build/slipway/configmap"
)

// Rights is what an identity may do of what a node needs.
type Rights struct {
	// Asked counts the rights that were asked for.
	Asked int
	// Lacking are the rights without which there is no build, Lesser those
	// without which it is slower or tells less; as in "list pods".
	Lacking, Lesser []string
	// Missing are both, and Own the Secrets of the workload that they are about, for
	// Manifest.
	Missing []Right
	Own     SecretNames
	// Unseen says that it is not known whether there is a workload: Manifest marks
	// the roles that only create it.
	Unseen bool
}

// WithoutExec leaves out the rights of exec unless the client's certificate
// cannot be read: builders that listen are reached without them, and roles are
// to be small.
func WithoutExec(missing []Right) []Right {
	if slices.ContainsFunc(missing, func(m Right) bool { return m.Resource == "secrets" && m.Verb == "get" }) {
		return missing
	}
	return WithoutAnyExec(missing)
}

// WithoutAnyExec leaves out the rights of exec, for a role that is to hold the
// right to read the client's certificate as well.
func WithoutAnyExec(missing []Right) []Right {
	return slices.DeleteFunc(missing, func(m Right) bool { return m.in(execRules()) })
}

// Target is the workload that rights are asked for.
type Target struct {
	Namespace string
	// Kind is Deployment or StatefulSet.
	Kind string
	Name string
	// Exists is false where it is still to be created; replicas is 0 where it
	// is scaled to zero.
	Exists   bool
	Replicas int32
	Secrets  SecretNames
	// Looks is true for a command that neither creates nor wakes it, Applies for
	// one that brings it up to date with its definition.
	Looks, Applies bool
	// PrivateFiles is true where its definition has files with private keys.
	PrivateFiles bool
}

// Needed are the rights that a build takes, or another command on the same
// workload, one each.
func Needed(pinned configmap.Transport, is Target, user string) []Right {
	own, plural := is.Secrets, strings.ToLower(is.Kind)+"s"
	rules := append(buildRules(), execRules()...)
	if own.Client != "" && pinned != configmap.TransportExec {
		rules = append(rules, own.readRole().rules...)
	}
	switch {
	case is.Looks:
	case !is.Exists, is.Applies:
		rules = append(rules, manageRules()...)
		if own.Server != "" {
			rules = append(rules, own.manageRole().rules...)
		}
		if is.PrivateFiles {
			rules = append(rules, secretRules()...)
		}
	case is.Replicas == 0:
		rules = append(rules, wakeRole(is.Name).rules...)
	}
	var all []Right
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
					right := Right{User: user, Verb: verb, Resource: resource, Group: rule.APIGroups[0], Namespace: is.Namespace, Name: name}
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

// Weigh tells the rights without which there is no build from the lesser ones:
// one transport of several is enough, and a wait goes on without its reasons.
func Weigh(pinned configmap.Transport, missing []Right) Rights {
	lacks := func(resource, verb string) bool {
		return slices.ContainsFunc(missing, func(m Right) bool { return m.Resource == resource && m.Verb == verb })
	}
	execs := !lacks("pods/exec", "create") && !lacks("pods/exec", "get")
	// With auto, exec stands in for all that certificates are needed for.
	standIn := pinned == configmap.TransportAuto && execs
	var r Rights
	for _, m := range missing {
		vital := true
		switch {
		case m.Resource == "pods/log", m.Resource == "events", m.Verb == "watch":
			vital = false
		case m.Resource == "replicasets":
			// Then pods are known by name and not by UID.
			vital = false
		case m.Group == "apps" && m.Verb == "update", m.Resource == "configmaps" && m.Verb == "get":
			// Only what differs from its definition is changed.
			vital = false
		case m.Resource == "secrets":
			vital = !standIn
		case m.Resource == "pods/exec", m.Resource == "pods/portforward":
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
func (m Right) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", m.Verb, m.Resource, m.Name))
}

// Manifest is the YAML of the roles that hold all that is missing of several
// workloads, and of their bindings: each role once, ready for kubectl apply. It is
// empty where nothing is missing.
func Manifest(all ...Rights) string {
	type grant struct {
		subject Right // whose role it is, and where
		roles   []Role
	}
	var grants []grant
	for _, rights := range all {
		for _, m := range rights.Missing {
			at := slices.IndexFunc(grants, func(g grant) bool { return g.subject.User == m.User && g.subject.Namespace == m.Namespace })
			if at < 0 {
				grants = append(grants, grant{subject: m})
				at = len(grants) - 1
			}
			for _, r := range m.roles(rights.Own) {
				if rights.Unseen && (r.name == manageRoleName || r.name == rights.Own.manageRole().name) {
					r.comment = "Only to create a builder. If it is there already, leave out this role and its binding."
				}
				grants[at].roles = merge(grants[at].roles, r)
			}
		}
	}
	var text strings.Builder
	for _, g := range grants {
		text.WriteString(g.subject.manifest(g.roles))
	}
	return strings.TrimPrefix(text.String(), "\n")
}

// GrantAll is Grant for all that is missing of several workloads at once. It is
// empty where the right is not among that: then something else was done.
func (m Right) GrantAll(all []Rights) string {
	known := func(other Right) bool {
		return other.User == m.User && other.Verb == m.Verb && other.Resource == m.Resource && other.Group == m.Group &&
			other.Namespace == m.Namespace && (other.Name == m.Name || other.Name == "")
	}
	if !slices.ContainsFunc(all, func(r Rights) bool { return slices.ContainsFunc(r.Missing, known) }) {
		return ""
	}
	return fmt.Sprintf("%s may not %s %s in namespace %s; whoever administers the cluster can grant all that this command lacks, for all nodes, with kubectl apply -f - and this:\n%s",
		m.User, m.Verb, m.Resource, m.Namespace, Manifest(all...))
}

// merge adds a role, or its rules to the role of that name.
func merge(all []Role, r Role) []Role {
	at := slices.IndexFunc(all, func(known Role) bool { return known.name == r.name })
	if at < 0 {
		return append(all, r)
	}
	for _, rule := range r.rules {
		if !slices.ContainsFunc(all[at].rules, func(known rbacv1.PolicyRule) bool { return reflect.DeepEqual(known, rule) }) {
			all[at].rules = append(slices.Clone(all[at].rules), rule)
		}
	}
	return all
}
