package rbac

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// buildRules are the rights that a build needs whose builders exist and listen:
// it reads and connects. A connection over a WebSocket is a GET, over SPDY a
// POST, and Kubernetes 1.35 and later want create for both, so both verbs are
// needed.
func buildRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"pods/portforward"}, Verbs: []string{"create", "get"}},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, Verbs: []string{"get", "list", "watch"}},
	}
}

// execRoleName is the role of execRules in hints.
const execRoleName = "slipway-exec"

// execRules are what a build needs on top of buildRules to reach builders by
// exec: those of buildx, and those whose definition says so. It is a role of its
// own: RBAC cannot tell containers and commands apart, so that it is a shell in
// every pod of the namespace. The ReplicaSet says whose a pod is.
func execRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods/exec"}, Verbs: []string{"create", "get"}},
		{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: []string{"get"}},
	}
}

// manageRoleName is the role of manageRules in hints.
const manageRoleName = "slipway-manage"

// manageRules are what creating builders, waking those that are scaled to zero
// and bringing them up to their definitions needs on top of buildRules.
func manageRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, Verbs: []string{"create", "update"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale", "statefulsets/scale"}, Verbs: []string{"patch"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create", "get", "update"}},
	}
}

// secretRules are for definitions with private keys among their files. What
// there is is read before it is written: it may be somebody else's.
func secretRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "get", "update"}},
	}
}

// SecretNames are the Secrets with a workload's certificates; empty where the
// agent has no business with them.
type SecretNames struct{ Server, Client string }

// Role is a Role by its name and rules.
type Role struct {
	name  string
	rules []rbacv1.PolicyRule
	// comment is a line before the role in YAML; empty for none.
	comment string
}

// readRole lets an agent read its own certificate and no other Secret. It is a
// role for each workload, so that granting one takes nothing from another.
func (s SecretNames) readRole() Role {
	return Role{name: "slipway-" + s.Client, rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{s.Client}, Verbs: []string{"get"}},
	}}
}

// manageRole lets who creates the workload make and renew its certificates.
// The right to create cannot be bound to names.
func (s SecretNames) manageRole() Role {
	return Role{name: "slipway-" + s.Server, rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{s.Server, s.Client}, Verbs: []string{"get", "update"}},
	}}
}

// wakeRole lets an agent wake a workload that sleeps, and do nothing else to
// it: a builder that garbage collection may put to sleep is of no use to agents
// that cannot wake it, and manageRules let them do much more.
func wakeRole(workload string) Role {
	return Role{name: "slipway-wake-" + workload, rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale", "statefulsets/scale"}, ResourceNames: []string{workload}, Verbs: []string{"patch"}},
	}}
}

// collectRules are what garbage collection needs on top of buildRules: it asks
// pods how busy they are, puts workloads to sleep and removes those that are
// left over. Nothing can be bound to names, for it is about workloads that no
// definition names any more; so it is a role of its own, which neither agents
// nor who starts builders should have.
func collectRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale", "statefulsets/scale"}, Verbs: []string{"patch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, Verbs: []string{"delete"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "delete"}},
	}
}

// collectClaimRules let garbage collection remove claims, which it does only
// when told to.
func collectClaimRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"persistentvolumeclaims"}, Verbs: []string{"list", "delete"}},
	}
}

// CollectRole is all that garbage collection needs.
func CollectRole() Role {
	rules := slices.Concat(buildRules(), execRules(), collectRules())
	return Role{name: "slipway-gc", rules: append(rules, collectClaimRules()...)}
}

// RemoveRole lets somebody remove the workload and what belongs to it. It is a
// role of its own, and bound to names where that can be: who builds, or starts
// builders, needs none of it.
func RemoveRole(workload string, secrets []string) Role {
	return Role{name: "slipway-remove-" + workload, rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, ResourceNames: []string{workload}, Verbs: []string{"get", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps", "persistentvolumeclaims"}, Verbs: []string{"list", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: secrets, Verbs: []string{"get", "delete"}},
	}}
}
