package rbac

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

// Right is what the API server's RBAC authorizer said was missing.
type Right struct {
	User, Verb, Resource, Group, Namespace string
	// Name is the object's, empty where the request named none.
	Name string
}

// forbiddenWords matches the message of k8s.io/apiserver's
// pkg/endpoints/handlers/responsewriters.forbiddenMessage. Control characters
// and the like (\pC) have no place in a name, nor on a terminal or in YAML.
var forbiddenWords = regexp.MustCompile(`(?:"([^"\pC]*)" is forbidden: )?User "([^"\pC]*)" cannot ([^\s\pC]+) resource "([^"\pC]*)" in API group "([^"\pC]*)" in the namespace "([^"\pC]*)"`)

// ParseForbidden finds the missing right in the message of a Forbidden answer.
// It fails on those of quotas and admission, which use the same code.
func ParseForbidden(message string) (Right, bool) {
	m := forbiddenWords.FindStringSubmatch(message)
	if m == nil || !utf8.ValidString(m[0]) {
		return Right{}, false
	}
	return Right{Name: m[1], User: m[2], Verb: m[3], Resource: m[4], Group: m[5], Namespace: m[6]}, true
}

// roles are the smallest of the roles above that hold the missing right, so
// that one paste gives all the rights of the step and not the next error. own
// are the Secrets of the workload that the step is about.
func (m Right) roles(own SecretNames) []Role {
	build, manage := buildRules(), append(buildRules(), manageRules()...)
	secret := m.Group == "" && m.Resource == "secrets"
	var roles []Role
	switch {
	case secret && own.Client != "" && m.Name == own.Client && m.Verb == "get":
		return []Role{own.readRole()}
	case m.wakes():
		return []Role{wakeRole(m.Name)}
	case m.in(execRules()):
		return []Role{{name: execRoleName, rules: execRules()}}
	case m.in(build):
		roles = append(roles, Role{name: "slipway-build", rules: build})
		if own.Client != "" {
			roles = append(roles, own.readRole())
		}
		return roles
	case m.in(manage), secret && own.Server != "" && (m.Verb == "create" || m.Name == own.Server || m.Name == own.Client):
		roles = append(roles, Role{name: manageRoleName, rules: manage})
	case m.in(secretRules()):
		roles = append(roles, Role{name: manageRoleName, rules: append(manage, secretRules()...)})
	default:
		return []Role{{name: "slipway-extra", rules: []rbacv1.PolicyRule{{APIGroups: []string{m.Group}, Resources: []string{m.Resource}, Verbs: []string{m.Verb}}}}}
	}
	if own.Server != "" {
		roles = append(roles, own.manageRole())
	}
	return roles
}

func (m Right) in(rules []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, m.Group) && slices.Contains(r.Resources, m.Resource) && slices.Contains(r.Verbs, m.Verb)
	})
}

// subject is whom the role is bound to.
func (m Right) subject() rbacv1.Subject {
	if rest, ok := strings.CutPrefix(m.User, "system:serviceaccount:"); ok {
		if namespace, name, ok := strings.Cut(rest, ":"); ok {
			return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
		}
	}
	return rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: m.User}
}

// Hints are what to do about the missing right. What is to paste comes last.
func (m Right) Hints(own SecretNames) []string {
	roles := m.roles(own)
	var hints []string
	switch roles[0].name {
	case execRoleName:
		hints = []string{
			"the right to exec is a shell in every pod of the namespace: builders that listen do not need it (transport direct or portforward), see docs/security.md",
			"where the Helm chart makes the roles: set its value rbac.exec to true, which also confines exec to buildkitd",
		}
	case manageRoleName:
		hints = []string{"keep the role small and have the builder made once by someone who may: slipway up"}
		if m.Resource == "secrets" && own.Server != "" {
			hints = append(hints, "or have it made without certificates, to be reached by exec only: transport: exec below Slipway in the definition")
		}
	}
	return append(hints, DoctorHint, m.Grant(roles))
}

// DoctorHint is the one of Hints that GrantAll makes needless.
const DoctorHint = "all roles that a build lacks, of all nodes at once: slipway doctor --rbac"

// Grant is each Role and the RoleBinding that gives it, ready to paste.
func (m Right) Grant(roles []Role) string {
	text := fmt.Sprintf("%s may not %s %s in namespace %s; whoever administers the cluster can grant it with kubectl apply -f - and this:", m.User, m.Verb, m.Resource, m.Namespace)
	return text + m.manifest(roles)
}

// manifest is the YAML of the roles and their bindings, from a line break on.
func (m Right) manifest(roles []Role) string {
	text := ""
	for _, r := range roles {
		meta := metav1.ObjectMeta{Name: r.name, Namespace: m.Namespace}
		for _, object := range []any{
			rbacv1.Role{
				TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
				ObjectMeta: meta,
				Rules:      r.rules,
			},
			rbacv1.RoleBinding{
				TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
				ObjectMeta: meta,
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: r.name},
				Subjects:   []rbacv1.Subject{m.subject()},
			},
		} {
			out, err := yaml.Marshal(object)
			if err != nil {
				// Plain data always marshals; if it ever does not, the sentence
				// above still says what is missing.
				return text + " " + err.Error()
			}
			text += "\n---\n"
			if _, isRole := object.(rbacv1.Role); isRole && r.comment != "" {
				text += "# " + r.comment + "\n"
			}
			text += strings.TrimRight(string(out), "\n")
		}
	}
	return text
}

// wakes is true for the right that wakeRole gives.
func (m Right) wakes() bool {
	return m.Name != "" && m.Verb == "patch" && m.Group == "apps" && slices.Contains([]string{"deployments/scale", "statefulsets/scale"}, m.Resource)
}
