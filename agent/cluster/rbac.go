package cluster

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// buildRules are the rights that a build needs whose builders exist: it reads
// and connects. A WebSocket exec is a GET, SPDY a POST, and Kubernetes 1.35
// and later want create for both, so both verbs are needed.
func buildRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"pods/exec"}, Verbs: []string{"create", "get"}},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, Verbs: []string{"get", "list", "watch"}},
	}
}

// manageRules are what creating builders and waking those that are scaled to
// zero needs on top of buildRules. Secrets are written only for definitions
// with private keys among their files and never read.
func manageRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, Verbs: []string{"create"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale", "statefulsets/scale"}, Verbs: []string{"patch"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create", "update"}},
	}
}

func secretRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "update"}},
	}
}

// missingRight is what the API server's RBAC authorizer said was missing.
type missingRight struct {
	user, verb, resource, group, namespace string
}

// forbiddenWords matches the message of k8s.io/apiserver's
// pkg/endpoints/handlers/responsewriters.forbiddenMessage. Control characters
// and the like (\pC) have no place in a name, nor on a terminal or in YAML.
var forbiddenWords = regexp.MustCompile(`User "([^"\pC]*)" cannot ([^\s\pC]+) resource "([^"\pC]*)" in API group "([^"\pC]*)" in the namespace "([^"\pC]*)"`)

// parseForbidden finds the missing right in the message of a Forbidden answer.
// It fails on those of quotas and admission, which use the same code.
func parseForbidden(message string) (missingRight, bool) {
	m := forbiddenWords.FindStringSubmatch(message)
	if m == nil || !utf8.ValidString(m[0]) {
		return missingRight{}, false
	}
	return missingRight{user: m[1], verb: m[2], resource: m[3], group: m[4], namespace: m[5]}, true
}

// rules is the smallest of the roles above that holds the missing right, so
// that one paste gives all the rights of the step and not the next error.
func (m missingRight) rules() (name string, rules []rbacv1.PolicyRule) {
	build, manage := buildRules(), append(buildRules(), manageRules()...)
	switch {
	case m.in(build):
		return "slipway-build", build
	case m.in(manage):
		return "slipway-manage", manage
	case m.in(secretRules()):
		return "slipway-manage", append(manage, secretRules()...)
	default:
		return "slipway-extra", []rbacv1.PolicyRule{{APIGroups: []string{m.group}, Resources: []string{m.resource}, Verbs: []string{m.verb}}}
	}
}

func (m missingRight) in(rules []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, m.group) && slices.Contains(r.Resources, m.resource) && slices.Contains(r.Verbs, m.verb)
	})
}

// subject is whom the role is bound to.
func (m missingRight) subject() rbacv1.Subject {
	if rest, ok := strings.CutPrefix(m.user, "system:serviceaccount:"); ok {
		if namespace, name, ok := strings.Cut(rest, ":"); ok {
			return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
		}
	}
	return rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: m.user}
}

// hints are what to do about the missing right.
func (m missingRight) hints() []string {
	name, rules := m.rules()
	hints := []string{m.grant(name, rules)}
	if m.in(append(manageRules(), secretRules()...)) {
		hints = append(hints, "or keep the role small and have the builder made once by someone who may: slipway up")
	}
	return hints
}

// grant is the Role and RoleBinding that give rules, ready to paste.
func (m missingRight) grant(name string, rules []rbacv1.PolicyRule) string {
	meta := metav1.ObjectMeta{Name: name, Namespace: m.namespace}
	role := rbacv1.Role{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
		ObjectMeta: meta,
		Rules:      rules,
	}
	binding := rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{m.subject()},
	}
	text := fmt.Sprintf("%s may not %s %s in namespace %s; whoever administers the cluster can grant it with kubectl apply -f - and this:", m.user, m.verb, m.resource, m.namespace)
	for _, object := range []any{role, binding} {
		out, err := yaml.Marshal(object)
		if err != nil {
			// Plain data always marshals; if it ever does not, the sentence
			// above still says what is missing.
			return text + " " + err.Error()
		}
		text += "\n---\n" + strings.TrimRight(string(out), "\n")
	}
	return text
}
